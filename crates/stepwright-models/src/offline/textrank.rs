//! Finds the most important sentences: `TextRank` over cosine similarity, then a choice without
//! repetition.

use super::sentences::{Sentence, word_count};
use std::collections::{BTreeSet, HashMap, HashSet};
use unicode_segmentation::UnicodeSegmentation as _;

/// At most how many sentences are compared, chosen evenly: every one is compared to every other.
const SENTENCES_MAX: usize = 800;

/// Sentences outside of this range are quoted only when there is nothing else: shorter ones say
/// little, longer ones are not sentences.
const WORDS: std::ops::RangeInclusive<usize> = 6..=50;

/// A sentence of more words than this is hard to read.
const WORDS_EASY: f64 = 24.0;

/// The usual share of rank that flows along edges, from the `PageRank` paper.
const DAMPING: f64 = 0.85;

/// The weight of a sentence that repeats the question, compared with another, as the start of a
/// reader.
const QUESTION_PULL: f64 = 20.0;

/// Ranks are final when none moves by more than this, relative to an average rank of 1.
const TOLERANCE: f64 = 1e-4;

/// Far more rounds than convergence takes; a bound, not a setting.
const ROUNDS_MAX: usize = 100;

/// The share of the rank in the choice; the rest is the difference from the sentences chosen
/// before.
const RANK_SHARE: f64 = 0.7;

/// Sentences that are alike to this degree say the same.
const SAME: f64 = 0.7;

/// At most `n` of the sentences, in their order. If there are no more than that, all of them.
///
/// `question` draws rank to sentences that share words with it; it may be empty.
pub(super) fn choose(all: Vec<Sentence>, n: usize, question: &str) -> Vec<Sentence> {
    if all.len() <= n {
        return all;
    }
    let fits = |sentence: &Sentence| {
        WORDS.contains(&word_count(&sentence.text)) && !sentence.text.ends_with(':')
    };
    let (good, other): (Vec<_>, Vec<_>) = all.into_iter().partition(fits);
    let candidates = evenly(if good.is_empty() { other } else { good });

    let terms = Terms::of(&candidates, question);
    let edges = terms.edges();
    let mut scores = rank(&edges, &terms.likeness_to_question());
    for (nth, (score, sentence)) in scores.iter_mut().zip(&candidates).enumerate() {
        *score *= worth(sentence) * lead(nth, candidates.len());
    }
    let mut chosen = pick(&scores, &edges, n);
    // The order of the text is the order in which it makes sense.
    chosen.sort_unstable();
    chosen.into_iter().map(|i| candidates[i].clone()).collect()
}

fn evenly(sentences: Vec<Sentence>) -> Vec<Sentence> {
    let len = sentences.len();
    if len <= SENTENCES_MAX {
        return sentences;
    }
    let kept: BTreeSet<usize> = (0..SENTENCES_MAX).map(|i| i * len / SENTENCES_MAX).collect();
    let numbered = sentences.into_iter().enumerate();
    numbered.filter(|(i, _)| kept.contains(i)).map(|(_, sentence)| sentence).collect()
}

/// The extra weight of early sentences, which name the subject: the first counts half as much again
/// as the last, and the advantage is gone within the first quarter.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn lead(nth: usize, all: usize) -> f64 {
    let place = nth as f64 / all as f64;
    1.0 + 0.5 * (1.0 - 4.0 * place).max(0.0)
}

/// Returns a factor of the rank: lower for a sentence that does not stand alone.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn worth(sentence: &Sentence) -> f64 {
    // They point at something that is not quoted with them.
    const POINTING: &str = "\
        it its this that these those they them their he she his her but and or so also then \
        however therefore otherwise here such both for see";
    let text = &sentence.text;
    let lower = text.to_lowercase();
    let first = lower.unicode_words().next().unwrap_or_default();
    let points = POINTING.split_whitespace().any(|word| word == first);
    let letters = text.chars().filter(|c| c.is_alphabetic() || c.is_whitespace()).count();
    let total = text.chars().count();
    let unbalanced = text.matches('(').count() != text.matches(')').count();
    let complete = text.ends_with(|c: char| ".!。！…\"”)".contains(c));
    let starts = text.starts_with(|c: char| !c.is_lowercase() && !"([→".contains(c));

    let mut worth = 1.0;
    let mut factor = |holds: bool, by: f64| {
        if holds {
            worth *= by;
        }
    };
    factor(points, 0.6);
    // Mostly symbols and numbers: a command, a listing, a table that lost its shape.
    factor(letters * 5 < total * 4, 0.6);
    factor(unbalanced, 0.6);
    factor(!complete, 0.7);
    factor(!starts, 0.8);
    factor(text.ends_with('?'), 0.7);
    // Longer ones rank higher for being alike to more, and tell less for their length.
    worth *= (WORDS_EASY / word_count(text).max(1) as f64).min(1.0);
    // Writers say first what a paragraph is about.
    if sentence.opens {
        worth *= 1.15;
    }
    worth
}

/// The words that matter of every sentence, weighed by how rare they are.
struct Terms {
    /// A unit vector for each sentence: term and weight.
    vectors: Vec<Vec<(usize, f64)>>,
    /// The terms of the question.
    question: BTreeSet<usize>,
    count: usize,
}

impl Terms {
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    fn of(sentences: &[Sentence], question: &str) -> Self {
        let stop_words: HashSet<&str> = STOP_WORDS.split_whitespace().collect();
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut number = |text: &str| -> BTreeSet<usize> {
            let mut terms = BTreeSet::new();
            for word in text.unicode_words() {
                if let Some(stem) = stem(word, &stop_words) {
                    let next = numbers.len();
                    terms.insert(*numbers.entry(stem).or_insert(next));
                }
            }
            terms
        };
        let sets: Vec<BTreeSet<usize>> = sentences.iter().map(|s| number(&s.text)).collect();
        let question = number(question);
        let count = numbers.len();
        let mut seen = vec![0_usize; count];
        for term in sets.iter().flatten() {
            seen[*term] += 1;
        }
        let weight = |term: usize| (1.0 + sets.len() as f64 / seen[term] as f64).ln();
        let vectors = sets.iter().map(|set| {
            let length = set.iter().map(|term| weight(*term).powi(2)).sum::<f64>().sqrt();
            set.iter().map(|term| (*term, weight(*term) / length)).collect()
        });
        Self { vectors: vectors.collect(), question, count }
    }

    /// For every sentence those that are alike, and how much, in their order.
    fn edges(&self) -> Vec<Vec<(usize, f64)>> {
        let mut holders: Vec<Vec<(usize, f64)>> = vec![Vec::new(); self.count];
        let mut edges = vec![Vec::new(); self.vectors.len()];
        let mut likeness = vec![0.0; self.vectors.len()];
        for (i, vector) in self.vectors.iter().enumerate() {
            likeness[..i].fill(0.0);
            for (term, weight) in vector {
                for (j, other) in &holders[*term] {
                    likeness[*j] += weight * other;
                }
                holders[*term].push((i, *weight));
            }
            for (j, alike) in likeness[..i].iter().enumerate() {
                if *alike > 0.0 {
                    edges[i].push((j, *alike));
                    edges[j].push((i, *alike));
                }
            }
        }
        edges
    }

    fn likeness_to_question(&self) -> Vec<f64> {
        let shared = |vector: &Vec<(usize, f64)>| {
            vector.iter().filter(|(term, _)| self.question.contains(term)).map(|(_, w)| w).sum()
        };
        self.vectors.iter().map(shared).collect()
    }
}

/// A word in the form in which it is compared; nothing for words that are everywhere.
fn stem(word: &str, stop_words: &HashSet<&str>) -> Option<String> {
    let word = word.to_lowercase();
    let word = word.split(['\'', '’']).next().unwrap_or_default();
    if stop_words.contains(word) {
        return None;
    }
    // Plurals and tenses of English; other languages lose little by it.
    let long = |stem: &&str| stem.chars().count() >= 4;
    let stem = ["ing", "ies", "ed", "es", "s"]
        .iter()
        .find_map(|ending| word.strip_suffix(ending).filter(long))
        .unwrap_or(word);
    Some(stem.strip_suffix('e').filter(long).unwrap_or(stem).to_owned())
}

/// The rank of every sentence; 1 on average.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn rank(edges: &[Vec<(usize, f64)>], liked: &[f64]) -> Vec<f64> {
    let len = edges.len();
    // Where a reader begins who follows likeness from sentence to sentence.
    let begin: Vec<f64> = liked.iter().map(|like| 1.0 + QUESTION_PULL * like).collect();
    let all: f64 = begin.iter().sum();
    let begin: Vec<f64> = begin.iter().map(|share| share * len as f64 / all).collect();
    let out: Vec<f64> = edges.iter().map(|to| to.iter().map(|(_, w)| w).sum()).collect();
    let mut ranks = begin.clone();
    for _ in 0..ROUNDS_MAX {
        let next: Vec<f64> = (0..len)
            .map(|i| {
                let flows = edges[i].iter().map(|(j, alike)| ranks[*j] * alike / out[*j]);
                (1.0 - DAMPING) * begin[i] + DAMPING * flows.sum::<f64>()
            })
            .collect();
        let moved = ranks.iter().zip(&next).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        ranks = next;
        if moved < TOLERANCE {
            break;
        }
    }
    ranks
}

/// Maximal marginal relevance: one by one the best that is unlike those chosen before.
fn pick(scores: &[f64], edges: &[Vec<(usize, f64)>], n: usize) -> Vec<usize> {
    let best = scores.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut nearest = vec![0.0_f64; scores.len()];
    let mut chosen: Vec<usize> = Vec::with_capacity(n);
    let mut left: BTreeSet<usize> = (0..scores.len()).collect();
    while chosen.len() < n {
        let value = |i: usize| RANK_SHARE * scores[i] / best - (1.0 - RANK_SHARE) * nearest[i];
        // Of equals the first one: it was said first.
        let next = left
            .iter()
            .copied()
            .filter(|i| nearest[*i] < SAME)
            .max_by(|a, b| value(*a).total_cmp(&value(*b)).then(b.cmp(a)));
        let Some(next) = next else { break };
        left.remove(&next);
        chosen.push(next);
        for (j, alike) in &edges[next] {
            nearest[*j] = nearest[*j].max(*alike);
        }
    }
    chosen
}

/// Words that are in every text and say nothing about this one.
const STOP_WORDS: &str = "\
    a about above after again all also although always am among an and another any anything \
    are around as at be because been before being below between both but by can cannot could \
    did do does doing done down during each either else even ever every few for from further \
    had has have having he her here hers him his how however i if in into is it its itself \
    just less let like made make many may me might more most much must my need never no nor \
    not nothing now of off often on once one only or other our out over own rather same she \
    should since so some something still such than that the their them then there these they \
    thing this those through to too under until up us very was we were what when where which \
    while who why will with would you your";

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(texts: &[&str]) -> Vec<Sentence> {
        let sentence = |text: &&str| Sentence { text: (*text).into(), passage: 0, opens: false };
        texts.iter().map(sentence).collect()
    }

    #[test]
    fn what_is_said_twice_is_quoted_once() {
        let texts = [
            "The engine writes every fact into the journal first.",
            "The engine writes each fact into the journal first.",
            "A reader of the journal sees facts in their order.",
            "Few like long meetings on a Friday afternoon.",
        ];
        let chosen = choose(sentences(&texts), 2, "");
        assert_eq!(chosen, sentences(&[texts[0], texts[2]]));
    }

    #[test]
    fn a_question_draws_the_choice() {
        let texts = [
            "The engine writes every fact into the journal first.",
            "A reader of the journal sees facts of the engine in order.",
            "Meetings on a Friday afternoon are liked by few here.",
        ];
        let chosen = choose(sentences(&texts), 1, "When are meetings on Friday?");
        assert_eq!(chosen, sentences(&[texts[2]]));
    }

    #[test]
    fn large_inputs_are_bounded() {
        let text = |i: usize| format!("Sentence {i} speaks of topic {} and of journals.", i % 97);
        let texts: Vec<String> = (0..20_000).map(text).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(choose(sentences(&texts), 5, "").len(), 5);
    }
}
