"""The interrogation document: everything that was read from a pump, as one JSON document with a published schema.

In come the answers of a pump as the link decodes them, and what the reader knows beside them: UTC, the zone, drugs
that must not stop abruptly, commands that are pending. Out comes plain data that validates against the schema; what
could not be read stands in it with the reason, and nothing is left out in silence. No pump is spoken to here.
"""

from thecal.rig.interrogation.document import LAYOUT, interrogation_document, interrogation_schema
from thecal.rig.interrogation.reading import Part, Reading, of_session

__all__ = ["LAYOUT", "Part", "Reading", "interrogation_document", "interrogation_schema", "of_session"]
