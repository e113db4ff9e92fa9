"""Reports: a pure function of a run folder.  Nothing is computed here; figures are formatted, drawn and explained."""

from riskengine.report.render import write_reports
from riskengine.report.summary import summary_lines

__all__ = ["summary_lines", "write_reports"]
