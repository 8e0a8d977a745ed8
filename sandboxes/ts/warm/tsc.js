// A compile server: runs `tsc --target esnext FILE` for one program after the other, without tsc's start-up time.
//
// A request on stdin has the folder, the file's name and its text. An answer on stdout has the exit code or DECLINED
// (32 bits), the number of fields (32 bits), the stdout of tsc, its stderr (empty), and name and content of each file
// that it writes. Every field is its length (32 bits) and its bytes. The server reuses the parsed declarations of the
// standard library, as an editor's language service does; each program has a new checker. The server reads only that
// library and writes no files. Programs that need more, and unexpected errors, are left to the command (DECLINED).
//
// tsc checks the library for each program, which takes most of its time. The server omits that check where it cannot
// find an error: if the program extends no declaration of the library and has no error itself.

"use strict";
const fs = require("fs");
const path = require("path");
const ts = require("/usr/local/lib/node_modules/typescript");

const DECLINED = 0xffffffff;
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

// tsc's own host, except that it reads only the program and the library, and collects the written files.
function hostFor(folder, file, text, written) {
  const programPath = `${folder}/${file}`;
  const system = { ...ts.sys, getCurrentDirectory: () => folder, getExecutingFilePath: () => LIBRARY + "tsc.js" };
  const host = ts.createCompilerHostWorker(OPTIONS, undefined, system);
  const parse = host.getSourceFile;
  const isLibrary = (name) => name.startsWith(LIBRARY) && path.dirname(name) + "/" === LIBRARY;
  host.jsDocParsingMode = ts.JSDocParsingMode.ParseForTypeErrors;
  host.fileExists = (name) => name === programPath || ts.sys.fileExists(name);
  host.readFile = (name) => {
    if (path.resolve(folder, name) === programPath) return text;
    if (!isLibrary(name)) throw new Error(`reads ${name}`);
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
  if (library && hasNoErrors(make(), file, library)) return [0, ["", "", ...written]];
  written.length = 0;
  let output = "";
  const report = (diagnostic) => (output += ts.formatDiagnostic(diagnostic, host));
  const code = ts.emitFilesAndReportErrorsAndGetExitStatus(make(), report);
  return [code, [output, "", ...written]];
}

// Whether the program has no errors and does not extend the library; then its output is collected, too. After `false`,
// the full check decides.
function hasNoErrors(program, file, library) {
  const source = program.getSourceFile(file);
  const others = program.getSourceFiles().filter((other) => other !== source);
  if (others.length !== library.files.length || others.some((other, index) => other !== library.files[index])) return false;
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

// The library of a program that adds nothing to it: its files in order, and the names that they declare.
function readLibrary() {
  const host = hostFor("/nowhere", "program.ts", "", []);
  const program = ts.createProgram({ rootNames: ["program.ts"], options: OPTIONS, host });
  if (ts.getPreEmitDiagnostics(program).length) return undefined;
  const files = program.getSourceFiles().filter((library) => parsed.has(library.fileName));
  return { files, names: new Set(["globalThis", "undefined", ...files.flatMap((library) => [...library.locals.keys()])]) };
}

function main() {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const library = readLibrary();
  for (;;) {
    const [folder, file, data] = [readField().toString(), readField().toString(), readField()];
    try {
      answer(...compile(folder, file, decoder.decode(data), library));
    } catch {
      answer(DECLINED, []);
      process.exit(0); // its state may be inconsistent: the next program gets a new server
    }
  }
}

main();
