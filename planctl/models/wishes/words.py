"""The words by which an order is told from a report, a condition, a use of what is there."""

from __future__ import annotations

import re

from planctl.models.lexicon import PRODUCES, word_set
from planctl.models.requests import CHECKS

MAKING = PRODUCES - CHECKS
NEGATION = re.compile(
    r"\b(?:not|never|no|without|avoid|skip|stop|refrain|cease|forget|neglect|hesitate|omit|wait|delay|"
    r"postpone|neither|nor|nothing|rather than|"
    r"instead of|unnecessar\w+|needless\w*|superfluous|redundant|pointless|forbidden|waste\w*)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)
NEGATED_AFTER = re.compile(
    r"\b(?:is|are|be|was|were|would be)\s+(?:\w+\s+)?(?:not|un\w+|super\w+|redundant|pointless|"
    r"forbidden|refused|wast\w+)\b",
    re.IGNORECASE,
)
PASSIVE = re.compile(
    r"\b(?:must|should|shall|ha(?:s|ve) to|needs? to|to|will|can|ought to)\s+(?:\w+\s+)?"
    r"(?:be|get)\b"
    r"|\b(?:is|are|gets?)\b(?=.*\b(?:again|anew|afresh|once more|from scratch)\b)"
    r"|\bneeds?\b|\b(?:ensure|sure|see to it|see|want|get)\b",
    re.IGNORECASE,
)
PAST = re.compile(r"\b(?:was|were|been|had|has|have|already|previously)\b", re.IGNORECASE)
GERUND = re.compile(
    r"\b(?:by|via|through|with|before|after|when|while|for|of|keep|start)\s+$", re.I
)
EVIDENCE = (
    r"(?:evidence|proofs?|logs?|artifacts?|results?|captures?|dumps?|receipts?|runs?|pass(?:es)?|"
    r"executions?|outputs?|stats|copy|copies|round|go|measurements?|ones?)"
)
DEMAND = re.compile(
    r"\b(?:again|anew|afresh|once more|one more|one last|from scratch|re-?runs?|refresh|redo|"
    r"repeat|(?:do|start|begin|go)\b[^.;]{0,40}\bover|"
    rf"up-to-date|up to date|another (?:\w+ )?{EVIDENCE}|"
    rf"(?:fresh|new|clean|recent|current|updated) (?:[\w/-]+ ){{0,4}}{EVIDENCE}|"
    r"needs?|needed|requires?|required|must|wants?|wanted|missing|outstanding|overdue|due|owed|"
    r"to ?do)\b",
    re.IGNORECASE,
)
AGAIN = re.compile(
    r"\b(?:re-?(?:run|running|ran|capture|collect|generate|fresh|execut|do|peat|produce|train|"
    r"measure|test|compute|take)\w*|again|anew|once more|one more|another|fresh|new|v\d+)\b",
    re.IGNORECASE,
)
REDO = re.compile(r"\W*(?:please )?(?:do|start|begin|go)\b.*\b(?:over|again|anew)\b", re.I)
ARTICLE = re.compile(
    r"\b(?:the|a|an|this|that|each|every|its?|our|their|last|no)\s+(?:\w+\s+)?$", re.I
)
ANEW = re.compile(r"\b(?:again|anew|afresh|once more|from scratch)\W*$", re.IGNORECASE)
NEEDED = re.compile(
    rf"\b(?:fresh|new|current|recent|up-to-date|another) (?:[\w/-]+ ){{0,2}}{EVIDENCE}\b",
    re.IGNORECASE,
)
OBJECT = re.compile(rf"\b{EVIDENCE}\b", re.IGNORECASE)
REPORT = re.compile(
    r"\b(?:is|are|was|were|stays?|remains?|stands?|counts?|has|have|had|shows?|says?|begins?|"
    r"carr(?:y|ies)|predates?|depends?|needs? no)\b",
    re.IGNORECASE,
)
CONTEXT = re.compile(
    r"\s(?:using|against|per|following|based on|like|versus|vs\.?|see|because|since|given|"
    r"relative to|compared (?:to|with)|than|built on|on top of|according to|as (?:in|is|it|they|"
    r"before)|citing|from|with)\s",
    re.IGNORECASE,
)
SOFT = re.compile(r"^\s(?:from|with)\s$", re.IGNORECASE)
BY_RUN = re.compile(
    r"\b(?:with|by|through|via|in|on)\s+(?:an?|another|one|the)?\s*"
    r"(?:new|fresh|further|second|clean|another|repeated)\s+"
    r"(?:\w+\s+)?(?:runs?|executions?|pass|captures?|measurements?)\b",
    re.IGNORECASE,
)
CLOCK = re.compile(
    r"\b(?:date[ds]?|timestamps?|stamps?|mtimes?|clock|older|newer|days?|yesterday|today|"
    r"still (?:say|begin|carry|show|read)s?|predat\w+)\b",
    re.IGNORECASE,
)
CODE = re.compile(
    r"\b(?:tests?|cases?|functions?|class(?:es)?|modules?|scripts?|methods?|docs?|plans?|config\w*|"
    r"guides?|pages?|notes?|check(?:s|list)?|phases?|rows?)\b",
    re.IGNORECASE,
)
PRONOUN = re.compile(r"\b(?:it|them|this|that|those|these)\b", re.IGNORECASE)
LEADING = word_set(
    "given with since for regarding in on under as unlike beyond from after once because about "
    "like per via within during until by at of note phase phases stage row rows step steps the "
    "this that these those its their our all both each and or but see also then now only context "
    "background"
)
# What these give is made of the evidence that is there.
DERIVING = word_set("plot render export reexport upload attach compute")
WEAK = word_set("take do make get bring have")
USES = word_set(
    "sign waive adopt push tag merge rebase approve discuss ask tell send show count tidy format "
    "celebrate announce present backup freeze protect use keep leave compare "
    "load take reuse consume rely cite inspect reference refer trust treat "
    "consider assume preserve describe explain summarise summarize study view open look link quote "
    "respect follow remember expect depend share contain mention name compute interpret diff parse "
    "analyse analyze browse skim learn recall reread read understand accept acknowledge commit"
)
LISTING = ("", ",", "and", "plus", "+", ":", "and then", "–", "—", "-", "to", "then")
