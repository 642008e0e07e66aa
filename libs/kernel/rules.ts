/** Id of a rule of a regulation, such as `gz117:15.1` (article.paragraph) or `gz117:16(1)` (article, item). */
export type RuleId = `${string}:${string}`;
