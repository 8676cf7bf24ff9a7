//! The vectors of all chunks, in memory.

/// The length of a stored vector. The product of two is below 2^30, so that sums fit into 32 bits.
const LENGTH: f32 = 32_767.0;

/// Returns a vector of length one; `None` if it has no direction.
pub(crate) fn normalised(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if !length.is_finite() || length <= 0.0 {
        return None;
    }
    for x in &mut vector {
        *x /= length;
    }
    Some(vector)
}

/// All vectors, at 16 bits a dimension. A search compares the query with each of them.
#[derive(Debug, Default)]
pub(crate) struct Vectors {
    dimensions: usize,
    ids: Vec<i64>,
    codes: Vec<i16>,
}

impl Vectors {
    pub(crate) fn new(dimensions: usize) -> Self {
        Self { dimensions, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Adds a vector of length one, as its bytes are stored. Returns `false` if it has another
    /// number of dimensions.
    pub(crate) fn push(&mut self, id: i64, bytes: &[u8]) -> bool {
        if bytes.len() != self.dimensions * 4 {
            return false;
        }
        self.ids.push(id);
        let (words, _) = bytes.as_chunks::<4>();
        self.codes.extend(words.iter().map(|word| code(f32::from_le_bytes(*word))));
        true
    }

    /// Returns the ids of the vectors that are most similar to this one, the best first.
    pub(crate) fn nearest(&self, query: &[f32], limit: usize) -> Vec<i64> {
        if self.dimensions == 0 || query.len() != self.dimensions {
            return Vec::new();
        }
        let query: Vec<i16> = query.iter().copied().map(code).collect();
        let rows = self.codes.chunks_exact(self.dimensions);
        let mut found: Vec<(i32, i64)> =
            rows.zip(&self.ids).map(|(row, id)| (product(row, &query), *id)).collect();
        let order = |a: &(i32, i64), b: &(i32, i64)| b.0.cmp(&a.0).then(a.1.cmp(&b.1));
        if found.len() > limit {
            found.select_nth_unstable_by(limit, order);
            found.truncate(limit);
        }
        found.sort_unstable_by(order);
        found.into_iter().map(|(_, id)| id).collect()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a member of a vector of length one is small")]
fn code(x: f32) -> i16 {
    (x * LENGTH).round() as i16
}

/// Compilers make vector instructions of this.
fn product(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}
