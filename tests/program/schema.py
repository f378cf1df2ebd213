"""schema.py SCHEMA README PATH... - every record below PATH against the JSON Schema, and every field of the schema against README's text.

Prints the first faults of each file with line and place. A last line without newline is a killed run's and is left out. Exit codes: 0
sound, 1 not, 77 (skipped) where python3 has no jsonschema.
"""
import json
import pathlib
import re
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: python3 has no jsonschema (Debian: python3-jsonschema)")
    sys.exit(77)


def lines(path):
    text = path.read_text(encoding="utf-8")
    whole = text.split("\n") if text.endswith("\n") else text.split("\n")[:-1]
    return [(number, line) for number, line in enumerate(whole, 1) if line.strip()]


def fields(schema):
    """Names of all properties, however deep; those of rates are patterns and have no names."""
    for key, value in schema.items():
        if key == "properties":
            yield from value
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                yield from fields(part)


def main():
    schema = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    readme = pathlib.Path(sys.argv[2]).read_text(encoding="utf-8")
    words = set(re.findall(r"[A-Za-z_][A-Za-z_0-9]*", "".join(re.findall(r"`[^`]*`|\{[^}]*\}", readme))))
    faults = [f"{sys.argv[2]}: does not document the field '{name}'" for name in sorted(set(fields(schema)) - words)]
    validator = jsonschema.Draft202012Validator(schema)
    files = records = 0
    for path in map(pathlib.Path, sys.argv[3:]):
        for file in sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]:
            files += 1
            for number, line in lines(file):
                records += 1
                error = jsonschema.exceptions.best_match(validator.iter_errors(json.loads(line)))
                if error:
                    place = "/".join(map(str, error.absolute_path)) or "record"
                    faults.append(f"{file}:{number}: {place}: {error.message[:300]}")
    for fault in faults[:20]:
        print(fault)
    print(f"{records} records in {files} files, {len(faults)} faults")
    return 1 if faults or records == 0 else 0


sys.exit(main())
