/**
 * Reads the DOT language strictly (https://graphviz.org/doc/info/lang.html), as far as drawings use it: directed graphs,
 * subgraphs, attribute lists, quoted and HTML-like identifiers. Throws at the first thing that does not fit.
 */
export interface DotGraph {
  readonly name: string;
  readonly attributes: Record<string, string>;
  readonly nodes: Map<string, Record<string, string>>;
  readonly edges: { from: string; to: string; attributes: Record<string, string> }[];
  readonly subgraphs: DotGraph[];
}

const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|([A-Za-z_][A-Za-z0-9_]*|-?\d+(?:\.\d+)?)|(->|[{}[\];,=])|(<))/y;

export function parseDot(text: string): DotGraph {
  const parser = new Parser(text);
  parser.expect('digraph');
  const graph = parser.body(parser.identifier());
  parser.end();
  return graph;
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  #next(): string {
    TOKEN.lastIndex = this.#at;
    const match = TOKEN.exec(this.#text);
    if (!match) throw new Error(`no token at '${this.#text.slice(this.#at, this.#at + 40)}'`);
    this.#at = TOKEN.lastIndex;
    return match[4] ? this.#html() : match[0].trim();
  }

  /** From `<` to the `>` that closes it; tags inside must nest. */
  #html(): string {
    const start = this.#at;
    const open: string[] = [];
    const tag = /<(\/?)([A-Z]+)((?: [A-Z]+="[^"<>]*")*)(\/?)>|>|&(?:amp|lt|gt|quot);|[^<>&]/y;
    for (;;) {
      tag.lastIndex = this.#at;
      const match = tag.exec(this.#text);
      if (!match) throw new Error(`bad label at '${this.#text.slice(this.#at, this.#at + 40)}'`);
      this.#at = tag.lastIndex;
      if (match[0] === '>') break;
      if (match[1] && open.pop() !== match[2]) throw new Error(`'${match[0]}' closes nothing`);
      if (match[2] && !match[1] && !match[4]) open.push(match[2]);
    }
    if (open.length > 0) throw new Error(`'${open.at(-1)}' is not closed`);
    return `<${this.#text.slice(start, this.#at - 1)}>`;
  }

  #peek(): string {
    const at = this.#at;
    const token = this.#next();
    this.#at = at;
    return token;
  }

  expect(token: string): void {
    const found = this.#next();
    if (found !== token) throw new Error(`expected ${token}, found ${found}`);
  }

  identifier(): string {
    const token = this.#next();
    if (/^[{}[\];,=]$|^->$/.test(token)) throw new Error(`expected an identifier, found ${token}`);
    return token.startsWith('"')
      ? token
          .slice(1, -1)
          .replace(/\\n/g, '\n')
          .replace(/\\(["\\])/g, '$1')
      : token;
  }

  body(name: string): DotGraph {
    const graph: DotGraph = { name, attributes: {}, nodes: new Map(), edges: [], subgraphs: [] };
    this.expect('{');
    while (this.#peek() !== '}') this.#statement(graph);
    this.expect('}');
    return graph;
  }

  #statement(graph: DotGraph): void {
    const subject = this.identifier();
    if (subject === 'subgraph') {
      graph.subgraphs.push(this.body(this.identifier()));
      return;
    }
    if (this.#peek() === '=') {
      this.expect('=');
      graph.attributes[subject] = this.identifier();
    } else if (this.#peek() === '->') {
      this.expect('->');
      graph.edges.push({ from: subject, to: this.identifier(), attributes: this.#attributes() });
    } else {
      const attributes = this.#attributes();
      if (subject !== 'node' && subject !== 'edge') {
        if (graph.nodes.has(subject)) throw new Error(`${subject} stands twice`);
        graph.nodes.set(subject, attributes);
      }
    }
    this.expect(';');
  }

  #attributes(): Record<string, string> {
    const attributes: Record<string, string> = {};
    if (this.#peek() !== '[') return attributes;
    this.expect('[');
    for (;;) {
      const name = this.identifier();
      this.expect('=');
      attributes[name] = this.identifier();
      if (this.#next() === ']') return attributes;
    }
  }

  end(): void {
    if (this.#text.slice(this.#at).trim() !== '') throw new Error('something follows the graph');
  }
}
