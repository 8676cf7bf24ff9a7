import logging as _logging

print(_logging.getLogger("stepwright").level == _logging.DEBUG, response.content)
