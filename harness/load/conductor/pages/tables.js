// Texts and tables that change where they stand: what is the same is left alone, so that a
// selection, a focus and the width of a column outlive an update.

export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** As many items as texts. */
export function list(node, texts) {
  sized(node, texts.length, () => document.createElement("li"));
  texts.forEach((text, n) => write(node.children[n], text));
}

/** A state is told by a word, a shape and a colour. */
export function badge(node, { word, shape, kind }) {
  const told = `badge ${kind}`;
  if (node.className === told && node.dataset.word === word) return;
  const mark = document.createElement("span");
  mark.className = "shape";
  mark.ariaHidden = "true";
  mark.textContent = shape;
  node.className = told;
  node.dataset.word = word;
  node.replaceChildren(mark, word);
}

/** A row is its cells, each a text or what a badge shows; `none` is said where there is no row. */
export function fill(table, rows, none) {
  const heads = table.tHead.rows[0].cells;
  const body = table.tBodies[0];
  if (!rows.length) {
    if (body.rows[0]?.cells[0]?.className === "empty") return;
    const cell = document.createElement("td");
    cell.className = "empty";
    cell.colSpan = heads.length;
    cell.textContent = none;
    const row = document.createElement("tr");
    row.append(cell);
    body.replaceChildren(row);
    return;
  }
  if (body.rows[0]?.cells[0]?.className === "empty") body.replaceChildren();
  sized(body, rows.length, () => emptyRow(heads));
  rows.forEach((cells, y) => cells.forEach((cell, x) => put(body.rows[y].cells[x], cell)));
}

function sized(node, count, made) {
  while (node.children.length > count) node.lastElementChild.remove();
  while (node.children.length < count) node.append(made());
}

function emptyRow(heads) {
  const row = document.createElement("tr");
  Array.from(heads).forEach((head, n) => {
    const cell = document.createElement(n ? "td" : "th");
    if (!n) cell.scope = "row";
    cell.className = head.className;
    row.append(cell);
  });
  return row;
}

function put(node, cell) {
  if (typeof cell === "string") return write(node, cell);
  if (node.firstElementChild?.dataset.word === undefined) {
    node.replaceChildren(document.createElement("span"));
  }
  badge(node.firstElementChild, cell);
}
