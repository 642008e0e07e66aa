import type { RuleId } from '#libs/kernel';
import { gz117 } from './gz117.js';

const RULE = /^gz117:(\d{1,2})(?:\.(\d))?(?:\((\d{1,2})\))?$/;

/**
 * Chinese text of a rule: `gz117:15.1` article 15 paragraph 1, `gz117:16(1)` article 16 item 1,
 * `gz117:9.1(1)` article 9 paragraph 1 item 1, `gz117:14` the whole article.
 * @returns undefined when the regulation has no such place
 */
export function ruleText(rule: RuleId): string | undefined {
  const match = RULE.exec(rule);
  if (match === null) return undefined;
  const article = gz117.find((a) => a.article === Number(match[1]));
  if (article === undefined) return undefined;
  const paragraph = match[2] === undefined ? undefined : article.paragraphs[Number(match[2]) - 1];
  if (match[2] !== undefined && paragraph === undefined) return undefined;
  const paragraphs = paragraph === undefined ? article.paragraphs : [paragraph];
  if (match[3] === undefined) return paragraphs.map((p) => p.text).join('\n');
  return paragraphs.flatMap((p) => p.items)[Number(match[3]) - 1];
}
