/** What a model is measured by: one score for every sample. It must not run models. */

/** What is known of a sample besides what the model gives. */
export interface ScoreContext {
  /** Its class, where the data set has labels. */
  readonly label: number | undefined;
  /** What the model that it is compared with gives, where there is one. */
  readonly reference: ArrayLike<number> | undefined;
}

/** A way to score one sample. */
export interface Metric {
  /** What results are called by. */
  readonly name: string;
  /** Whether scores are 1 or 0: right or wrong. */
  readonly isShare: boolean;
  /** Whether a smaller score is a better one, as of errors. Default false. */
  readonly lowerIsBetter?: boolean;
  /** What it needs besides the output. */
  readonly needs: 'nothing' | 'labels' | 'reference';
  /** How many classes a sample may be guessed to be; undefined where guessing means nothing. */
  readonly guesses?: number;
  /**
   * Scores one sample. NaN is refused by whoever measures.
   * @param output one sample of the model's output, row-major
   */
  score(output: ArrayLike<number>, context: ScoreContext): number;
}

/** The number of the largest element, the first of several. */
function largest(numbers: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < numbers.length; i++) if (numbers[i]! > numbers[best]!) best = i;
  return best;
}

/** Whether the class is among the k largest outputs; of equal ones the first count. */
const topK = (k: number): Metric => ({
  name: `top${k}`,
  isShare: true,
  needs: 'labels',
  guesses: k,
  score: (output, { label = -1 }) => {
    const own = output[label]!;
    let before = 0;
    for (let i = 0; i < output.length; i++) if (output[i]! > own || (output[i] === own && i < label)) before++;
    return before < k ? 1 : 0;
  },
});

/** The metrics that come with the project, by name. */
export const METRICS = {
  /** Share of samples whose largest output is their class. */
  top1: topK(1),
  /** Share of samples whose class is among the five largest outputs. */
  top5: topK(5),
  /** Share of samples whose largest output is that of the model that is compared with. Needs no labels. */
  agreement: {
    name: 'agreement',
    isShare: true,
    needs: 'reference',
    score: (output, { reference }) => (largest(output) === largest(reference!) ? 1 : 0),
  },
  /** Mean of squared differences from the outputs of the model that is compared with. */
  meanSquaredError: {
    name: 'meanSquaredError',
    isShare: false,
    lowerIsBetter: true,
    needs: 'reference',
    score: (output, { reference }) => {
      let sum = 0;
      for (let i = 0; i < output.length; i++) sum += (output[i]! - reference![i]!) ** 2;
      return sum / output.length;
    },
  },
  /** Cosine of the angle to the outputs of the model that is compared with; 1 where both are zero. */
  cosineSimilarity: {
    name: 'cosineSimilarity',
    isShare: false,
    needs: 'reference',
    score: (output, { reference }) => {
      let [product, own, other] = [0, 0, 0];
      for (let i = 0; i < output.length; i++) {
        product += output[i]! * reference![i]!;
        own += output[i]! ** 2;
        other += reference![i]! ** 2;
      }
      if (own === 0 && other === 0) return 1;
      return own === 0 || other === 0 ? 0 : product / Math.sqrt(own * other);
    },
  },
} as const satisfies Readonly<Record<string, Metric>>;

/** Names of metrics. */
export type MetricName = keyof typeof METRICS;
