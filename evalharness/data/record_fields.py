"""Renames the fields of data records as a task card maps them, and checks that every required field is there."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evalharness.data.files import Record
from evalharness.errors import UserError


def with_adapter_fields(records: Iterable[Record], field_map: Mapping[str, str]) -> list[Record]:
    """Returns the records with their fields also under the names that the adapter uses.

    `field_map` maps the adapter's name of a field to its name in the record, in which "a.b" stands for the field b of
    the object a. Fields that a record lacks are not added.
    """
    renamed = {name: field for name, field in field_map.items() if name != field}
    return [
        {
            **record,
            **{name: value for name, field in renamed.items() if (value := _field_value(record, field)) is not None},
        }
        for record in records
    ]


def _field_value(record: Mapping[str, Any], field: str) -> Any:
    """Returns the value of a record's field "a", or "a.b" (field b of the object a); None if the record lacks it."""
    if field in record:
        return record[field]
    outer, dot, inner = field.partition(".")
    nested = record.get(outer) if dot else None
    return _field_value(nested, inner) if isinstance(nested, Mapping) else None


def check_records(records: Sequence[Record], field_map: Mapping[str, str], data_name: str) -> None:
    """Raises UserError if there are no records, a record lacks a field of `field_map`, or a task_id occurs twice.

    `data_name` is the task and the origin of its data, for the error message.
    """
    if not records:
        raise UserError(f"the data of {data_name} contain no records; replace the file, or use another --data")
    seen = set()
    for record in records:
        task_id = str(record.get("task_id"))
        if missing := [_field_name_for_message(name, field) for name, field in field_map.items() if name not in record]:
            available = ", ".join(key for key in record if key not in field_map and key != "task_id")
            hint = f"; it has {available}" if available else ""
            raise UserError(
                f"the data of {data_name} contain a record {task_id} without the fields {', '.join(missing)}{hint}; "
                "replace the file, or use another --data"
            )
        if task_id in seen:
            raise UserError(
                f"the data of {data_name} contain two records with the id {task_id}; remove one from the file"
            )
        seen.add(task_id)


def _field_name_for_message(name_in_adapter: str, name_in_record: str) -> str:
    if name_in_adapter == name_in_record:
        return name_in_record
    return f"{name_in_record} (the card's {name_in_adapter})"
