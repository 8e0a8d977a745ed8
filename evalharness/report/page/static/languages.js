"use strict";
// The comments, strings and keywords of languages, for the highlighter. These are not complete grammars.
(function (app) {
  const words = (text) => new Set(text.split(" "));
  const C_LIKE = { line: ["//"], block: [["/*", "*/"]], quotes: ['"', "'"] };
  const HASH = { line: ["#"], block: [], quotes: ['"', "'"] };

  const PYTHON = {
    line: ["#"],
    block: [],
    quotes: ['"""', "'''", '"', "'"],
    words: words(
      "False None True and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield",
    ),
  };
  const c = (text, more) => ({ ...C_LIKE, ...more, words: words(text) });
  const SHARED =
    "break case catch class continue default do else enum false for if new null return static switch this throw true try void while";
  const SCRIPT = `${SHARED} async await const delete export extends finally from function import in instanceof let of super typeof undefined var yield`;

  const LANGUAGES = {
    py: PYTHON,
    js: c(SCRIPT, { quotes: ['"', "'", "`"] }),
    ts: c(
      `${SCRIPT} any as boolean declare implements interface keyof namespace never number private public readonly string type unknown`,
      { quotes: ['"', "'", "`"] },
    ),
    java: c(
      `${SHARED} abstract boolean byte char double extends final finally float implements import instanceof int interface long package private protected public record short super synchronized throws var`,
    ),
    cpp: c(
      `${SHARED} auto bool char const constexpr double float include int long namespace nullptr operator private public short signed sizeof std struct template typedef typename unsigned using virtual`,
      { line: ["//", "#"] },
    ),
    cs: c(
      `${SHARED} as bool char const decimal double foreach in int internal is long namespace object out override private public readonly ref string struct using var virtual`,
    ),
    d: c(
      `${SHARED} alias assert auto bool char const double float foreach immutable import in int long module string struct uint`,
    ),
    go: {
      ...c(
        "break case chan const continue default defer else fallthrough false for func go goto if import interface map nil package range return select struct switch true type var",
      ),
      quotes: ['"', "'", "`"],
    },
    php: c(
      `${SHARED} abstract and array as echo elseif extends foreach function global implements interface namespace or private protected public use`,
      { line: ["//", "#"] },
    ),
    rs: {
      ...c(
        "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while",
      ),
      quotes: ['"'],
    },
    scala: {
      ...c(
        "abstract case catch class def do else extends false final finally for forSome if implicit import lazy match new null object override package private protected return sealed super this throw trait true try type val var while with yield",
      ),
      quotes: ['"""', '"'],
    },
    swift: {
      ...c(
        "as break case catch class continue default defer do else enum extension false for func guard if import in init inout is let nil protocol return self static struct switch throw throws true try var where while",
      ),
      quotes: ['"""', '"'],
    },
    sh: {
      ...HASH,
      words: words(
        "case do done echo elif else esac export fi for function if in local read return shift then until while",
      ),
    },
    rb: {
      ...HASH,
      words: words(
        "and begin break case class def do else elsif end ensure false for if in module next nil not or redo require rescue retry return self super then true unless until when while yield",
      ),
    },
    pl: {
      ...HASH,
      words: words(
        "and else elsif eq for foreach if last lt my ne next no not or our package print return sub unless until use while",
      ),
    },
    r: { ...HASH, words: words("FALSE NA NULL TRUE break else for function if in library next repeat return while") },
    jl: {
      line: ["#"],
      block: [["#=", "=#"]],
      quotes: ['"""', '"'],
      words: words(
        "abstract begin break catch const continue do else elseif end export false finally for function if import in let macro module mutable nothing return struct true try using where while",
      ),
    },
    elixir: {
      line: ["#"],
      block: [],
      quotes: ['"""', '"'],
      words: words(
        "and case cond def defmodule defp do else end false fn for if import in nil not or raise true unless use when with",
      ),
    },
    lua: {
      line: ["--"],
      block: [["--[[", "]]"]],
      quotes: ['"', "'"],
      words: words(
        "and break do else elseif end false for function goto if in local nil not or repeat return then true until while",
      ),
    },
    hs: {
      line: ["--"],
      block: [["{-", "-}"]],
      quotes: ['"'],
      words: words(
        "case class data deriving do else if import in instance let module newtype of otherwise then type where",
      ),
    },
    ml: {
      line: [],
      block: [["(*", "*)"]],
      quotes: ['"'],
      words: words(
        "and as begin done downto else end exception false for fun function if in let match module mutable new not of open or rec ref then to true try type val when while with",
      ),
    },
    rkt: {
      line: [";"],
      block: [["#|", "|#"]],
      quotes: ['"'],
      words: words(
        "and begin cond define else for if lambda let let* letrec list not null or require set! unless when",
      ),
    },
  };

  const ALIASES = {
    python: "py",
    python3: "py",
    javascript: "js",
    typescript: "ts",
    "c++": "cpp",
    c: "cpp",
    "c#": "cs",
    csharp: "cs",
    golang: "go",
    rust: "rs",
    bash: "sh",
    shell: "sh",
    ruby: "rb",
    perl: "pl",
    julia: "jl",
    haskell: "hs",
    ocaml: "ml",
    racket: "rkt",
    R: "r",
    D: "d",
  };

  /** Returns the language that a model or a task calls by that name; null for an unknown one. */
  app.language = function (name) {
    const key = (name || "").trim();
    const id = ALIASES[key] || ALIASES[key.toLowerCase()] || key.toLowerCase();
    return Object.hasOwn(LANGUAGES, id) ? LANGUAGES[id] : null;
  };
})(window.evalharness);
