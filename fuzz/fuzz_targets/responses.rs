#![no_main]

use massgen_protocol::spec::Protocol;

libfuzzer_sys::fuzz_target!(|data: &[u8]| massgen_fuzz::read(Protocol::Responses, data));
