print("hello")
import sys

print(sys.argv)
