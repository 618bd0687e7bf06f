import sys

print("oh no", file=sys.stderr)
sys.exit(3)
