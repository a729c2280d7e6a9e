"""The offline side: data sets, splits, baselines, learned blocks and what they are worth."""
