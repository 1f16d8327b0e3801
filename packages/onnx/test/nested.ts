/** A graph with bodies that take values from around them. */
import { DataType, GraphBuilder, type Model } from '../src/index.ts';

/**
 * x -> Relu -> h; If(cond) then h + c (an initializer of the body) through `inner`, else Neg(h); the If is the model's
 * output `y`. In the else branch another If, nested in it, returns h or its Abs.
 */
export function branching(): Model {
  const b = new GraphBuilder();
  b.input('x', [2]);
  b.input('cond', [], DataType.BOOL);
  b.node('Relu', ['x'], {}, { name: 'relu', outputs: ['h'] });
  b.node('If', ['cond'], { then_branch: thenBranch(), else_branch: elseBranch() }, { name: 'if', outputs: ['y'] });
  b.output('y', [2]);
  return b.build();
}

function thenBranch() {
  const b = new GraphBuilder({ name: 'then' });
  b.initializer('c', [2], [10, 20]);
  b.node('Add', ['h', 'c'], {}, { name: 'add', outputs: ['inner'] });
  b.node('Identity', ['inner'], {}, { name: 'id', outputs: ['then_out'] });
  b.output('then_out');
  return b.graph();
}

function elseBranch() {
  const plain = new GraphBuilder({ name: 'plain' });
  plain.node('Abs', ['h'], {}, { name: 'abs', outputs: ['abs_out'] });
  plain.output('abs_out');
  const negative = new GraphBuilder({ name: 'negative' });
  negative.node('Neg', ['h'], {}, { name: 'neg', outputs: ['neg_out'] });
  negative.output('neg_out');
  const b = new GraphBuilder({ name: 'else' });
  const branches = { then_branch: plain.graph(), else_branch: negative.graph() };
  b.node('If', ['cond'], branches, { name: 'inner_if', outputs: ['other'] });
  b.output('other');
  return b.graph();
}
