//! An embedder without a model.

use crate::embedder::{EmbedError, Embedder};
use stepwright_core::BoxFuture;

/// The dimensions of a vector, by default.
const DIMENSIONS: usize = 256;

/// An embedder without a model, a key or a network, for tests and examples: texts are similar if
/// they share words, or parts of words. A text without a word is like the same text. It knows
/// nothing of meaning.
///
/// ```
/// use stepwright_knowledge::{Embedder as _, HashEmbedder};
/// # futures_util::FutureExt::now_or_never(async {
/// let texts = ["a red car", "the red cars", "boil an egg"].map(String::from);
/// let v = HashEmbedder::default().embed(&texts).await.unwrap();
/// let like = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
/// assert!(like(&v[0], &v[1]) > like(&v[0], &v[2]));
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct HashEmbedder {
    dimensions: usize,
    id: String,
}

impl Default for HashEmbedder {
    fn default() -> Self {
        Self::new(DIMENSIONS)
    }
}

impl HashEmbedder {
    /// Creates an embedder of vectors with this many dimensions, at least 1.
    pub fn new(dimensions: usize) -> Self {
        let dimensions = dimensions.max(1);
        Self { dimensions, id: format!("hash:{dimensions}") }
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0; self.dimensions];
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let word = format!("<{}>", word.to_lowercase());
            add(&mut vector, &word, 2.0);
            let chars: Vec<char> = word.chars().collect();
            for part in chars.windows(4) {
                add(&mut vector, &part.iter().collect::<String>(), 1.0);
            }
        }
        // A text of signs alone is like the same signs, and a vector needs a direction.
        if vector.iter().all(|part| *part == 0.0) {
            add(&mut vector, text.trim(), 1.0);
        }
        vector
    }
}

/// Adds a word at the place and with the sign that its hash gives.
fn add(vector: &mut [f32], word: &str, weight: f32) {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in word.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The lowest bits of this hash are its weakest.
    hash ^= hash >> 29;
    let place = usize::try_from(hash % vector.len() as u64).unwrap_or(0);
    vector[place] += if hash >> 63 == 0 { weight } else { -weight };
}

impl Embedder for HashEmbedder {
    fn id(&self) -> &str {
        &self.id
    }

    fn embed<'a>(
        &'a self,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
        let vectors = texts.iter().map(|text| self.vector(text)).collect();
        Box::pin(std::future::ready(Ok(vectors)))
    }
}
