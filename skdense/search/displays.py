class PrunedSearchDisplay:
    pass
