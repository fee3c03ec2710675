"""Letters of other scripts that pass for Latin ones.

Picked by hand from the alphabets met in look-alike tricks (Cyrillic, Greek, Armenian, phonetic signs), not
the full table of Unicode TR 39: a letter is here if it reads as the Latin one in a common typeface. Each
pair is the letter and what it passes for.
"""

from __future__ import annotations

import re

_TWINS = (
    "АA ВB ЕE ЅS ІI ЈJ КK МM НH ОO РP СC ТT ХX ԌG ԚQ ԜW ҮY ӀI "
    "аa еe іi јj оo рp сc уy хx ѕs һh ԁd ԛq ԝw ӏl ѵv үy "
    "ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX ϳj "
    "αa ιi κk νv οo ρp υu χx "
    "օo ոn սu հh ցg ɑa ɡg ɩi ʏy"
)
_COUSINS = "вb гr иu йu кk мm нh пn тt ьb яr ёe їi єe ЗE ГR ЯR ИN βb γy εe ηn σo ςc τt ωw ΣE δd"

TWINS = {pair[0]: pair[1] for pair in _TWINS.split()}
"""Hard to tell from the Latin letter: a whole word of them is unmasked where the text around it is Latin."""

COUSINS = TWINS | {pair[0]: pair[1] for pair in _COUSINS.split()}
"""Read as the Latin letter only inside a word that has Latin letters too."""

SUSPECT = re.compile(f"[{''.join(sorted(COUSINS))}]")
