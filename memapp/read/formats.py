"""The built-in formats. A module of its own, so that only what reads files pays for importing them."""

from __future__ import annotations

from memapp.read.chat import ChatReader
from memapp.read.csv import CsvReader
from memapp.read.docx import DocxReader
from memapp.read.epub import EpubReader
from memapp.read.html import HtmlReader
from memapp.read.jsonl import JsonlReader
from memapp.read.mail import EmlReader, MboxReader
from memapp.read.markdown import MarkdownReader
from memapp.read.pdf import PdfReader
from memapp.read.text import TextReader

BUILT_IN = (
    TextReader,
    MarkdownReader,
    HtmlReader,
    PdfReader,
    DocxReader,
    EpubReader,
    JsonlReader,
    CsvReader,
    EmlReader,
    MboxReader,
    ChatReader,
)
