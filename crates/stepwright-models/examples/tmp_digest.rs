use stepwright_core::message::Message; use stepwright_core::model::*;
#[tokio::main(flavor="current_thread")] async fn main() {
    for f in std::env::args().skip(1) {
        let t = std::fs::read_to_string(&f).unwrap();
        let start = std::time::Instant::now();
        let r = ModelRequest { instructions: Some(std::env::var("I").unwrap_or_default()), messages: vec![Message::user(t)], ..Default::default() };
        let a = AnyModel::new(stepwright_models::Offline::new()).complete(r).await.unwrap();
        println!("== {f} {:?}\n{}\n", start.elapsed(), a.turn.text());
    }
}
