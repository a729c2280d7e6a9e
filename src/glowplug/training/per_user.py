"""Every user's values in one Parquet file, for whoever wants to test or plot on their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as arrow
from pyarrow import parquet

from glowplug.training.evaluation import Results
from glowplug.training.metrics import METRICS
from glowplug.training.whole import whole


def write_per_user(path: Path, results: Results) -> None:
    """Columns: task, model, seed, user, and each metric; one row a user, model, task and seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = np.array(results.data.users.ids)
    schema = arrow.schema(
        [("task", arrow.string()), ("model", arrow.string()), ("seed", arrow.int32()), ("user", arrow.string())]
        + [(name, arrow.float64()) for name in METRICS]
    )
    with whole(path) as draft, parquet.ParquetWriter(draft, schema) as writer:
        for task, models in results.draws.items():
            for model, draws in models.items():
                for draw in draws:
                    count = len(draw.task.users)
                    columns = {
                        "task": [task] * count,
                        "model": [model] * count,
                        "seed": [draw.seed] * count,
                        "user": ids[draw.task.users].tolist(),
                    }
                    columns |= {name: draw.ranked.values[name].tolist() for name in METRICS}
                    writer.write_table(arrow.table(columns, schema=schema))
