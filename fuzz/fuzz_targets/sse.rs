//! Server-sent events that arrive in pieces: the answer is the same wherever the pieces end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stepwright_models::fuzzing::read_answer;

fuzz_target!(|input: &[u8]| {
    let Some((sizes, body)) = input.split_at_checked(4) else { return };
    let mut pieces = Vec::new();
    let (mut rest, mut nth) = (body, 0);
    while !rest.is_empty() {
        let size = usize::from(sizes[nth % sizes.len()]).clamp(1, rest.len());
        let (piece, more) = rest.split_at(size);
        pieces.push(piece.to_vec());
        (rest, nth) = (more, nth + 1);
    }
    let read = |pieces| read_answer("openrouter", "text/event-stream", pieces);
    let (whole, cut) = (read(vec![body.to_vec()]), read(pieces));
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => assert_eq!(whole.turn.text(), cut.turn.text()),
        (Err(_), Err(_)) => {}
        (whole, cut) => panic!("whole: {whole:?}\nin pieces: {cut:?}"),
    }
});
