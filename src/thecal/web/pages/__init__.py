"""Pages, by workplace. A module of pages has a ``router``; it is listed here, or it does not exist."""

from thecal.web.pages import home

ROUTERS = (home.router,)
"""Every router of the application."""
