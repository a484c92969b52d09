"""Roles: what each may do on the server. One table, and nothing else decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from twin.tags import Tag


class Role(StrEnum):
    """What a user is to the plant. Roles are no ladder: each stands for itself in `RIGHTS`."""

    OBSERVER = "observer"
    OPERATOR = "operator"
    CONTROLLER = "controller"
    INSTRUCTOR = "instructor"
    ADMIN = "admin"


class Right(StrEnum):
    """What may be done beside writing tags."""

    BROWSE = "browse"
    READ = "read"  # values, history, events
    ACKNOWLEDGE = "acknowledge"  # alarms: acknowledge, confirm, comment, shelve
    ORDERS = "orders"  # place and withdraw loads
    LOCKSTEP = "lockstep"  # step the plant, announce a scan as done
    TIME = "time"  # start, pause, speed, reset
    FAULTS = "faults"  # let machines fail and mend them
    RECORD = "record"  # start and end a recording
    VERDICT = "verdict"  # read what the examiner found
    AUDIT = "audit"  # read the audit ledger
    DIAGNOSTICS = "diagnostics"  # who is connected, counters of sessions and subscriptions
    USERS = "users"  # add and remove users, trust certificates


class Rights(NamedTuple):
    """What one role may do, and whose tags (`Tag.writer`) it may write."""

    may: frozenset[Right]
    writes: frozenset[str]


def _rights(may: str, writes: str = "") -> Rights:
    return Rights(frozenset(map(Right, may.split())), frozenset(writes.split()))


# The one table of who may do what. `plant` and `nobody` write for themselves: no role has them.
RIGHTS: Mapping[Role, Rights] = MappingProxyType({
    Role.OBSERVER: _rights("browse read"),
    Role.OPERATOR: _rights("browse read acknowledge orders verdict", writes="operator local"),
    Role.CONTROLLER: _rights("browse read orders lockstep verdict", writes="controller dispatch"),
    Role.INSTRUCTOR: _rights("browse read acknowledge orders lockstep time faults record verdict",
                             writes="operator local controller dispatch"),
    Role.ADMIN: _rights("browse read acknowledge orders lockstep time faults record verdict audit diagnostics users",
                        writes="operator local controller dispatch"),
})  # fmt: skip


def may(role: Role, right: Right) -> bool:
    """Whether a role has a right."""
    return right in RIGHTS[role].may


def may_write(role: Role, tag: Tag) -> bool:
    """Whether a role may write a tag."""
    return tag.writer in RIGHTS[role].writes


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is logged in. `certificate` is the thumbprint by which they came, `""` if by password."""

    name: str
    role: Role
    certificate: str = ""


ANONYMOUS_INSTRUCTOR = User("anonymous", Role.INSTRUCTOR)  # everybody, where the server was told to go without security
RESERVED = ("anonymous", "internal")  # names under which the audit ledger knows nobody and ourselves
