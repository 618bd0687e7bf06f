from monitoring.web.api import say

ROUTES = ()
