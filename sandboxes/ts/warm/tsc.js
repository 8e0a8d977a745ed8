// A compile server: `tsc --target esnext FILE` for one text after the other, without tsc's start.
//
// On stdin: the folder, the name of the file and its text; each is its length as 32 bits and its bytes. On stdout: the
// exit code as 32 bits, or NOT_HERE; what tsc prints; nothing, for stderr; and name and content of each file written.
// What is kept between texts are the parsed declarations of the standard library, as in an editor's language service;
// a program and its checker are made anew for each text. Nothing is read but that library, and nothing is written:
// whatever would want more, or is unlike what was expected, is left to the command itself (NOT_HERE).

"use strict";
const fs = require("fs");
const path = require("path");
const ts = require("/usr/local/lib/node_modules/typescript");

const NOT_HERE = 0xffffffff;
const OPTIONS = { target: ts.ScriptTarget.ESNext };
const LIBRARY = path.dirname(ts.sys.getExecutingFilePath()) + "/";
const library = new Map();

function read(size) {
  const data = Buffer.allocUnsafe(size);
  for (let done = 0; done < size; ) {
    const count = fs.readSync(0, data, done, size - done);
    if (!count) process.exit(0);
    done += count;
  }
  return data;
}

const number = (value) => {
  const data = Buffer.alloc(4);
  data.writeUInt32BE(value);
  return data;
};

const readText = () => read(read(4).readUInt32BE());

function answer(code, fields) {
  const parts = fields.map((field) => Buffer.from(field)).flatMap((field) => [number(field.length), field]);
  const data = Buffer.concat([number(code), number(fields.length), ...parts]);
  for (let done = 0; done < data.length; ) done += fs.writeSync(1, data, done);
}

// The host of tsc's own, but that it reads the text and the library alone and keeps what is written.
function hostFor(folder, file, text, written) {
  const place = `${folder}/${file}`;
  const system = { ...ts.sys, getCurrentDirectory: () => folder, getExecutingFilePath: () => LIBRARY + "tsc.js" };
  const host = ts.createCompilerHostWorker(OPTIONS, undefined, system);
  host.jsDocParsingMode = ts.JSDocParsingMode.ParseForTypeErrors;
  const parse = host.getSourceFile;
  host.fileExists = (name) => name === place || ts.sys.fileExists(name);
  host.readFile = (name) => {
    if (path.resolve(folder, name) === place) return text;
    if (!name.startsWith(LIBRARY) || name.includes("/../")) throw new Error(`reads ${name}`);
    return ts.sys.readFile(name);
  };
  host.getSourceFile = (name, ...rest) => {
    if (!name.startsWith(LIBRARY)) return parse(name, ...rest);
    if (!library.has(name)) library.set(name, parse(name, ...rest));
    return library.get(name);
  };
  host.writeFile = (name, data) => written.push(path.relative(folder, path.resolve(folder, name)), data);
  return host;
}

function compile(folder, file, text) {
  const written = [];
  let said = "";
  const host = hostFor(folder, file, text, written);
  const names = { ...host, getNewLine: () => ts.sys.newLine };
  const program = ts.createProgram({ rootNames: [file], options: OPTIONS, host });
  const report = (diagnostic) => (said += ts.formatDiagnostic(diagnostic, names));
  const code = ts.emitFilesAndReportErrorsAndGetExitStatus(program, report);
  return [code, [said, "", ...written]];
}

function main() {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  compile("/nowhere", "program.ts", "");
  for (;;) {
    const [folder, file, data] = [readText().toString(), readText().toString(), readText()];
    let found;
    try {
      found = compile(folder, file, decoder.decode(data));
    } catch {
      found = [NOT_HERE, []];
    }
    answer(...found);
  }
}

main();
