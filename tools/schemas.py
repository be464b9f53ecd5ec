#!/usr/bin/python3
"""schemas.py DIR: every *.json in DIR is a valid JSON schema."""
import json
import pathlib
import sys

import jsonschema


def problem_of(path):
    """What is wrong with a schema file, or None."""
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(schema, dict) or "$schema" not in schema:
            return "no $schema at its top"
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except ValueError as error:
        return f"not JSON: {error}"
    except jsonschema.exceptions.SchemaError as error:
        return f"not a schema: {error.message}"
    return None


def main():
    paths = sorted(pathlib.Path(sys.argv[1]).glob("*.json"))
    problems = [(path, problem_of(path)) for path in paths]
    problems = [(path, why) for path, why in problems if why]
    for path, why in problems:
        print(f"{path}: {why}")
    print(f"summary: {len(paths)} schemas")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
