"""The line of a scan is short: three flags, three regions of each, and how many more there are."""

from __future__ import annotations

from darts_ensemble.commands.scan_lines import tell


def line_of(*flags: str, **more: object) -> str:
    row = {"name": "ann", "status": "wrote", "label_map": "ann_dseg.nii.gz", "seconds": 20.0, "flags": list(flags), **more}
    said: list[str] = []
    tell(row, 1, 1, said.append, said.append, stages=False)
    (line,) = said
    return line


def test_a_flag_of_many_regions_names_three_and_counts_the_others() -> None:
    line = line_of(
        "missing region: Left-vessel, Right-vessel, Optic-Chiasm, CSF",
        "volume outside the usual range: Left-vessel 34 mm3 (0 to 27), Right-vessel 64 mm3 (2 to 30)",
    )
    assert "missing region: Left-vessel, Right-vessel, Optic-Chiasm and 1 more" in line
    assert line.endswith("volume outside the usual range: Left-vessel 34 mm3 (0 to 27), Right-vessel 64 mm3 (2 to 30)")


def test_three_flags_are_shown_and_the_others_counted() -> None:
    line = line_of(*(f"left/right asymmetry: ctx-lh-{n} 1 mm3, other side 9 mm3" for n in "abcde"))
    assert line.count("asymmetry") == 3
    assert line.endswith("; 2 more flags in the account")
    assert "ctx-lh-c 1 mm3, other side 9 mm3" in line


def test_a_scan_in_doubt_has_one_sentence_and_a_count() -> None:
    line = line_of("missing region: CSF", "brain touches the border of the scan", suspicion="probably not a T1: is it a CT?")
    assert line.endswith("; warning: probably not a T1: is it a CT?; 2 more flags in the account")
