"""Public data sets as events of the contract."""
