//! Models of providers on real sockets: what they send, and what they make of every answer.

mod litellm;
mod seen;
mod server;
mod speech;

mod agreeing;
mod asking;
mod bearing;
mod calling;
mod contradicting;
mod edges;
mod ending;
mod endless;
mod failing;
mod framing;
mod gateway;
mod hosting;
mod leaving;
mod long;
mod media;
mod memory;
mod saying;
mod settings;
mod strict;
