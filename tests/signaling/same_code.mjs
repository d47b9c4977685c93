// Says of each pair of files, SOURCE MADE, whether they are the same code: the same syntax tree, comments and spaces left out.
// Prints the pairs that differ, with the first difference.
import { readFileSync } from "node:fs";
import ts from "typescript";

/** Kind and text of each node, in order. @param {string} path */
function tree(path) {
  const file = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS);
  if (file.parseDiagnostics.length > 0) return [`cannot be parsed: ${file.parseDiagnostics[0].messageText}`];
  const nodes = [];
  const visit = (node) => {
    if (ts.isEmptyStatement(node)) return;
    const leaf = ts.isLiteralExpression(node) || ts.isIdentifier(node) || ts.isPrivateIdentifier(node) || ts.isTemplateLiteralToken(node);
    nodes.push(`${ts.SyntaxKind[node.kind]} ${leaf ? node.getText(file) : ""}`);
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(file, visit);
  return nodes;
}

for (let at = 2; at + 1 < process.argv.length; at += 2) {
  const [source, made] = [tree(process.argv[at]), tree(process.argv[at + 1])];
  const length = Math.max(source.length, made.length);
  const first = Array.from({ length }, (_, i) => i).find((i) => source[i] !== made[i]);
  if (first !== undefined) console.log(`${process.argv[at]}: ${source[first]} became ${made[first]}`);
}
