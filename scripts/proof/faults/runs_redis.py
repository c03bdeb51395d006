def runs(args):
    return []
