// A compile server: `tsc --target esnext FILE` for one text after the other, without tsc's start.
//
// On stdin: the folder, the name of the file and its text; each is its length as 32 bits and its bytes. On stdout: the
// exit code as 32 bits, or NOT_HERE; what tsc prints; nothing, for stderr; and name and content of each file written.
// What is kept between texts are the parsed declarations of the standard library, as in an editor's language service;
// a program and its checker are made anew for each text. Nothing is read but that library, and nothing is written:
// whatever would want more, or is unlike what was expected, is left to the command itself (NOT_HERE).
//
// tsc checks the library anew each time, which takes longer than all else. Here that is left out where it finds
// nothing for certain: the text adds to no declaration of the library, and is itself without fault.

"use strict";
const fs = require("fs");
const path = require("path");
const ts = require("/usr/local/lib/node_modules/typescript");

const NOT_HERE = 0xffffffff;
const OPTIONS = { target: ts.ScriptTarget.ESNext };
const LIBRARY = path.dirname(ts.sys.getExecutingFilePath()) + "/";
const parsed = new Map();

function read(size) {
  const data = Buffer.allocUnsafe(size);
  for (let done = 0; done < size; ) {
    const count = fs.readSync(0, data, done, size - done);
    if (!count) process.exit(0);
    done += count;
  }
  return data;
}

const readField = () => read(read(4).readUInt32BE());

function number(value) {
  const data = Buffer.alloc(4);
  data.writeUInt32BE(value);
  return data;
}

function answer(code, fields) {
  const parts = fields.map((field) => Buffer.from(field)).flatMap((field) => [number(field.length), field]);
  const data = Buffer.concat([number(code), number(fields.length), ...parts]);
  for (let done = 0; done < data.length; ) done += fs.writeSync(1, data, done);
}

// tsc's own host, but that it reads the text and the library alone, and keeps what is written.
function hostFor(folder, file, text, written) {
  const place = `${folder}/${file}`;
  const system = { ...ts.sys, getCurrentDirectory: () => folder, getExecutingFilePath: () => LIBRARY + "tsc.js" };
  const host = ts.createCompilerHostWorker(OPTIONS, undefined, system);
  const parse = host.getSourceFile;
  const isLibrary = (name) => name.startsWith(LIBRARY) && path.dirname(name) + "/" === LIBRARY;
  host.jsDocParsingMode = ts.JSDocParsingMode.ParseForTypeErrors;
  host.fileExists = (name) => name === place || ts.sys.fileExists(name);
  host.readFile = (name) => {
    if (path.resolve(folder, name) === place) return text;
    if (!isLibrary(name)) throw new Error(`wants ${name}`);
    return ts.sys.readFile(name);
  };
  host.getSourceFile = (name, ...rest) => {
    if (!isLibrary(name)) return parse(name, ...rest);
    if (!parsed.has(name)) parsed.set(name, parse(name, ...rest));
    return parsed.get(name);
  };
  host.writeFile = (name, data) => written.push(path.relative(folder, path.resolve(folder, name)), data);
  return host;
}

function compile(folder, file, text, library) {
  const written = [];
  const host = hostFor(folder, file, text, written);
  const make = () => ts.createProgram({ rootNames: [file], options: OPTIONS, host });
  if (library && isFaultless(make(), file, library)) return [0, ["", "", ...written]];
  written.length = 0;
  let said = "";
  const report = (diagnostic) => (said += ts.formatDiagnostic(diagnostic, host));
  const code = ts.emitFilesAndReportErrorsAndGetExitStatus(make(), report);
  return [code, [said, "", ...written]];
}

// Whether the text alone is right and leaves the library as it is; then it is written, too. `false` says nothing.
function isFaultless(program, file, library) {
  const source = program.getSourceFile(file);
  const others = program.getSourceFiles().filter((each) => each !== source);
  if (others.length !== library.files.length || others.some((each, place) => each !== library.files[place])) return false;
  return (
    !program.getSyntacticDiagnostics(source).length &&
    !program.getOptionsDiagnostics().length &&
    !program.getGlobalDiagnostics().length &&
    !source.moduleAugmentations.length &&
    (ts.isExternalModule(source) || ![...source.locals.keys()].some((name) => library.names.has(name))) &&
    !program.getSemanticDiagnostics(source).length &&
    !program.emit(source).diagnostics.length
  );
}

// The library as it is for a text that wants nothing of it: its files in order, and the names that they declare.
function readLibrary() {
  const host = hostFor("/nowhere", "program.ts", "", []);
  const program = ts.createProgram({ rootNames: ["program.ts"], options: OPTIONS, host });
  if (ts.getPreEmitDiagnostics(program).length) return undefined;
  const files = program.getSourceFiles().filter((each) => parsed.has(each.fileName));
  return { files, names: new Set(["globalThis", "undefined", ...files.flatMap((each) => [...each.locals.keys()])]) };
}

function main() {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const library = readLibrary();
  for (;;) {
    const [folder, file, data] = [readField().toString(), readField().toString(), readField()];
    try {
      answer(...compile(folder, file, decoder.decode(data), library));
    } catch {
      answer(NOT_HERE, []);
      process.exit(0); // its state may be half of something: the next text gets a new server
    }
  }
}

main();
