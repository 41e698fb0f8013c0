"""Runs one call of huggingface_hub and prints its result as JSON: python hub.py '{"call": "download", ...}'."""

import json
import sys

import huggingface_hub as hf
from huggingface_hub import _CACHED_NO_EXIST, scan_cache_dir, try_to_load_from_cache


def download(repo, path, **options):
    return hf.hf_hub_download(repo, path, **options)


def snapshot(repo, **options):
    return hf.snapshot_download(repo, **options)


def lookup(repo, path, **options):
    found = try_to_load_from_cache(repo, path, **options)
    return "missing" if found is _CACHED_NO_EXIST else found


def scan():
    info = scan_cache_dir()
    return {
        "warnings": [str(warning) for warning in info.warnings],
        "size": info.size_on_disk,
        "repos": {
            repo.repo_id: {
                "type": repo.repo_type,
                "refs": {name: revision.commit_hash for name, revision in repo.refs.items()},
                "files": sorted(
                    f"{revision.commit_hash}/{file.file_name}"
                    for revision in repo.revisions
                    for file in revision.files
                ),
            }
            for repo in info.repos
        },
    }


def delete(commit):
    scan_cache_dir().delete_revisions(commit).execute()


def main():
    request = json.loads(sys.argv[1])
    call = {"download": download, "snapshot": snapshot, "lookup": lookup, "scan": scan, "delete": delete}
    try:
        result = {"result": call[request.pop("call")](**request)}
    except Exception as error:
        result = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(result))


main()
