// Extends typedoc for the reference (`npm run docs`). It groups names by their folder, shows operations
// that come from a table as methods, and titles each guide with its first heading.
import { relative } from "node:path";
import {
  Comment,
  CommentTag,
  Converter,
  makeRecursiveVisitor,
  ParameterReflection,
  ReflectionFlag,
  ReflectionKind,
  SignatureReflection,
} from "typedoc";
import ts from "typescript";

/** The index heading for each folder of lib. */
const categories = {
  model: "Model",
  hooks: "Hooks",
  coder: "Coders",
  intervene: "Interventions",
  attribute: "Attribution and reading",
  corpus: "Attribution and reading",
  evaluate: "Attribution and reading",
  tensor: "Tensors and memory",
  native: "Tensors and memory",
  setup: "Tensors and memory",
  tokenizer: "Tokens",
  catalogue: "Files",
  hub: "Files",
  checkpoint: "Files",
  errors: "Errors",
};

/** Descriptions of the members that JavaScript calls for a script. */
const wellKnown = {
  "[dispose]": "Like `dispose()`. `using` calls it at the end of its block.",
  "[asyncDispose]": "Like `dispose()`. `await using` calls it at the end of its block.",
};

const firstHeading = /^# (.+?)\n/;

export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
    if (isOperation(reflection)) showAsMethod(context, reflection);
    else if (isFunction(reflection)) showAsFunction(context, reflection);
    if (isExport(reflection)) categorize(context, reflection);
  });
  app.converter.on(Converter.EVENT_CREATE_SIGNATURE, (context, signature, declaration) => {
    const text = wellKnown[signature.name];
    if (text !== undefined) signature.comment ??= new Comment([{ kind: "text", text }]);
    if (declaration?.name?.text === "toJSON") showTypeAsWritten(context, signature, declaration);
  });
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    const printers = project.getReflectionsByKind(ReflectionKind.Method).filter(isPrinter);
    for (const printer of printers) project.removeReflection(printer);
    // The first page already shows the project's name as its title.
    const [first] = project.readme ?? [];
    if (first !== undefined) first.text = first.text.replace(firstHeading, "");
  });
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, document) => {
    // The page has no other title than this heading.
    const [, heading] = firstHeading.exec(document.content[0]?.text ?? "") ?? [];
    if (heading !== undefined) document.name = heading;
  });
}

/** Whether a reflection is an export of lib/index.ts. During conversion its parent may be its module. */
function isExport({ parent }) {
  return parent?.kindOf(ReflectionKind.ExportContainer) ?? false;
}

/** Whether a method is the one that `console.log` calls; scripts do not call it. */
function isPrinter({ name }) {
  return name === "[custom]";
}

function categorize(context, reflection) {
  if (reflection.kindOf(ReflectionKind.Module)) return;
  const [declaration] = context.getSymbolFromReflection(reflection)?.declarations ?? [];
  if (declaration === undefined) return;
  const [lib, folder] = relative(process.cwd(), declaration.getSourceFile().fileName).split("/");
  const category = lib === "lib" ? categories[folder] : undefined;
  if (category === undefined) throw new Error(`no category for ${reflection.name} of ${folder}`);
  reflection.comment ??= new Comment();
  reflection.comment.blockTags.push(
    new CommentTag("@category", [{ kind: "text", text: category }]),
  );
}

/** Whether `Method` of lib/tensor/methods.ts made the declaration, from an entry of the vocabulary. */
function isOperation({ type }) {
  return type?.type === "reference" && type.name === "Method";
}

/** Whether a namespace's variable is a function. */
function isFunction({ kind, parent, type }) {
  if (kind !== ReflectionKind.Variable || !parent?.kindOf(ReflectionKind.Namespace)) return false;
  return type?.type === "reflection" && type.declaration.signatures !== undefined;
}

function showAsFunction({ project }, reflection) {
  const { declaration } = reflection.type;
  reflection.kind = ReflectionKind.Function;
  reflection.signatures = declaration.signatures;
  for (const signature of reflection.signatures) {
    signature.parent = reflection;
    signature.name = reflection.name;
  }
  delete declaration.signatures;
  delete reflection.type;
  project.removeReflection(declaration);
}

/** Shows the result's type by its name; typedoc would write out a type that zod infers. */
function showTypeAsWritten(context, signature, declaration) {
  forget(context, signature.type);
  signature.type = context.converter.convertType(context.withScope(signature), declaration.type);
}

function forget({ project }, type) {
  const reflection = ({ declaration }) => project.removeReflection(declaration);
  type.visit(makeRecursiveVisitor({ reflection }));
}

/** Replaces a property of a computed function type by a method with the parameters it computes. */
function showAsMethod(context, reflection) {
  const symbol = context.getSymbolFromReflection(reflection);
  const [call] = context.checker.getTypeOfSymbol(symbol).getCallSignatures();
  forget(context, reflection.type);
  delete reflection.type;
  delete reflection.defaultValue;
  reflection.setFlag(ReflectionFlag.Readonly, false);
  reflection.kind = isExport(reflection) ? ReflectionKind.Function : ReflectionKind.Method;
  const signature = new SignatureReflection(
    reflection.name,
    ReflectionKind.CallSignature,
    reflection,
  );
  signature.comment = reflection.comment;
  delete reflection.comment;
  const inside = context.withScope(reflection).withScope(signature);
  signature.parameters = parametersOf(inside, signature, call);
  signature.type = context.converter.convertType(inside, call.getReturnType());
  context.registerReflection(signature, undefined);
  reflection.signatures = [signature];
}

/** The parameters of `...args`, one for each element of its labelled tuple. */
function parametersOf(context, signature, call) {
  const { checker } = context;
  const [rest] = call.parameters;
  if (rest === undefined) return [];
  const tuple = checker.getTypeOfSymbol(rest);
  const { elementFlags, labeledElementDeclarations } = tuple.target;
  return checker.getTypeArguments(tuple).map((type, i) => {
    const name = labeledElementDeclarations[i].name.text;
    const parameter = new ParameterReflection(name, ReflectionKind.Parameter, signature);
    const optional = (elementFlags[i] & ts.ElementFlags.Optional) !== 0;
    parameter.setFlag(ReflectionFlag.Optional, optional);
    const given = optional ? checker.getNonNullableType(type) : type;
    parameter.type = context.converter.convertType(context.withScope(parameter), given);
    context.registerReflection(parameter, undefined);
    return parameter;
  });
}
