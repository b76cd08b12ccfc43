"""The document of a whole directory as clients send it, checked for form; see `interchange.document`."""

from typing import Annotated, Literal

from pydantic import Field

from catalog_service.api.bodies import Body, Code, DepartmentBody, Id, InterfaceBody, SystemBody, Version
from catalog_service.api.entry_bodies import ResourceBody

MOST = 1000


class NamedDepartment(DepartmentBody):
    id: Id


class NamedSystem(SystemBody):
    id: Id


class NamedResource(ResourceBody):
    code: Code


class NamedInterface(InterfaceBody):
    id: Id
    version: Version


class DirectoryBody(Body):
    """What is not mentioned stays as it is."""

    format: Literal["tongdao-directory/1"]
    departments: Annotated[list[NamedDepartment], Field(max_length=MOST)] = []
    systems: Annotated[list[NamedSystem], Field(max_length=MOST)] = []
    resources: Annotated[list[NamedResource], Field(max_length=MOST)] = []
    interfaces: Annotated[list[NamedInterface], Field(max_length=MOST)] = []
