"""The syntax of each MultiPL-E language, as far as extraction needs it beyond the tree-sitter grammars."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class LanguageSyntax:
    """What the extraction of programs must know about a programming language, such as its tree-sitter grammar.

    Fields whose names end in `_nodes` are types of syntax nodes in this grammar.
    """

    grammar: str
    """The grammar's name in tree-sitter-language-pack."""
    definition: str
    """A pattern of the start of the function `{name}` in a prompt."""
    tags: tuple[str, ...] = ()
    """The names of the language after a code fence, besides the grammar's and MultiPL-E's."""
    empty_function_head: str = ""
    """The head of an empty function, which the closing brace at the start of the tests completes; "" if not needed."""
    module_end: str = ""
    """The text that closes the module that the prompt opens."""
    container_nodes: tuple[str, ...] = ()
    """Nodes whose contents count as contents of the file, such as namespaces and exports."""
    class_nodes: tuple[str, ...] = ()
    """Nodes of classes. The class around the function is replaced by its members, because prompt and tests have their
    own class.
    """
    class_opening: str = ""
    """A pattern of the line of the prompt that opens the class around the function."""
    import_nodes: tuple[str, ...] = ()
    """Import nodes. Imports that the prompt lacks are moved to the beginning of the program."""
    leading_nodes: tuple[str, ...] = ()
    """Nodes that must be before everything else."""
    dropped_nodes: tuple[str, ...] = ()
    """Nodes that are left out because they describe a whole file, such as package clauses."""
    main_functions: tuple[str, ...] = ("main",)
    """Names of a main function, which would collide with the main function of the tests, or run instead of it."""


_C_FUNCTION = r"(?:(?:public|private|static|internal|final)\s+)*(?!return\b)[\w<>\[\](), .?]+\s+{name}\s*\("

SYNTAX: Mapping[str, LanguageSyntax] = {
    "cpp": LanguageSyntax(
        "cpp",
        r"[\w:][\w:<>,&* ]*\b{name}\s*\(",
        tags=("c++", "c", "cc", "cxx"),
        empty_function_head="void end_of_answer() {",
        dropped_nodes=("export_declaration",),
    ),
    "rs": LanguageSyntax(
        "rust",
        r"(?:pub\s+)?fn\s+{name}\b",
        empty_function_head="fn end_of_answer() {",
        leading_nodes=("inner_attribute_item",),
    ),
    "sh": LanguageSyntax(
        "bash",
        r"(?:function\s+)?{name}\s*(?:\(\s*\))?\s*\{",
        tags=("shell", "zsh", "console"),
        empty_function_head="end_of_answer() {\n:",
        main_functions=("main", "usage"),
    ),
    "swift": LanguageSyntax("swift", r"(?:public\s+)?func\s+{name}\b", empty_function_head="func endOfAnswer() {"),
    "java": LanguageSyntax(
        "java",
        _C_FUNCTION,
        empty_function_head="    static void endOfAnswer() {",
        class_nodes=("class_declaration", "record_declaration", "interface_declaration", "enum_declaration"),
        class_opening=r"^class Problem\b",
        import_nodes=("import_declaration",),
        dropped_nodes=("package_declaration", "module_declaration"),
    ),
    "cs": LanguageSyntax(
        "csharp",
        _C_FUNCTION,
        tags=("c#", "cs"),
        empty_function_head="    static void EndOfAnswer() {",
        container_nodes=("namespace_declaration", "file_scoped_namespace_declaration"),
        class_nodes=("class_declaration", "struct_declaration", "interface_declaration", "enum_declaration"),
        class_opening=r"^class Problem\b",
        import_nodes=("using_directive",),
        dropped_nodes=("extern_alias_directive", "global_attribute"),
        main_functions=("Main",),
    ),
    "scala": LanguageSyntax(
        "scala",
        r"def\s+{name}\b",
        empty_function_head="    def endOfAnswer(): Unit = {",
        class_nodes=("object_definition", "class_definition", "trait_definition"),
        class_opening=r"^object Problem\b",
        import_nodes=("import_declaration",),
        dropped_nodes=("package_clause",),
    ),
    "go": LanguageSyntax(
        "go",
        r"func\s+{name}\b",
        tags=("golang",),
        import_nodes=("import_declaration",),
        dropped_nodes=("package_clause",),
    ),
    "php": LanguageSyntax(
        "php",
        r"function\s+{name}\b",
        dropped_nodes=(
            "php_tag",
            "php_end_tag",
            "text_interpolation",
            "text",
            "namespace_definition",
            "declare_statement",
        ),
    ),
    "js": LanguageSyntax(
        "javascript",
        r"(?:(?:async\s+)?function\s+{name}\b|(?:const|let|var)\s+{name}\s*=)",
        tags=("node", "nodejs", "mjs", "es6", "jsx"),
        container_nodes=("export_statement",),
    ),
    "ts": LanguageSyntax(
        "typescript",
        r"(?:(?:async\s+)?function\s+{name}\b|(?:const|let|var)\s+{name}\b)",
        tags=("javascript", "js", "tsx"),
        container_nodes=("export_statement",),
    ),
    "lua": LanguageSyntax(
        "lua", r"(?:local\s+)?function\s+{name}\b", dropped_nodes=("return_statement", "hash_bang_line")
    ),
    "rb": LanguageSyntax("ruby", r"def\s+{name}\b", dropped_nodes=("uninterpreted",)),
    "pl": LanguageSyntax(
        "perl", r"sub\s+{name}\b", dropped_nodes=("package_statement", "eof_marker", "data_section", "__END__")
    ),
    "py": LanguageSyntax("python", r"(?:async\s+)?def\s+{name}\b"),
    "r": LanguageSyntax("r", r"{name}\s*(?:<-|=)\s*function\b", tags=("rscript", "rlang")),
    "jl": LanguageSyntax(
        "julia",
        r"(?:function\s+{name}\b|{name}\s*\()",
        container_nodes=("module_definition",),
        dropped_nodes=("export_statement",),
    ),
    "d": LanguageSyntax(
        "d",
        r"[\w\[\]!(),.]+(?:\s+[\w\[\]!(),.]+)*\s+{name}\s*\(",
        tags=("dlang",),
        container_nodes=("module_def",),
        dropped_nodes=("module_declaration", "unittest_declaration"),
    ),
    "rkt": LanguageSyntax("racket", r"\(define\s+\(?{name}\b", tags=("scheme", "lisp"), dropped_nodes=("extension",)),
    "hs": LanguageSyntax(
        "haskell",
        r"{name}\s*::",
        container_nodes=("declarations", "imports"),
        import_nodes=("import",),
        leading_nodes=("pragma",),
        dropped_nodes=("header",),
    ),
    "ml": LanguageSyntax("ocaml", r"let\s+(?:rec\s+)?{name}\b"),
    "elixir": LanguageSyntax("elixir", r"def\s+{name}\b", tags=("ex", "exs"), module_end="end"),
}
"""The syntax of each language, by MultiPL-E's code of the language."""
NEUTRAL_TAGS = frozenset({"", "code", "text", "txt", "plaintext", "plain"})
"""Tags of code fences that name no particular programming language."""
