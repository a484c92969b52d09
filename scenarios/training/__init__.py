def drills(): return {}
