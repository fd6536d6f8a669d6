// SPDX-License-Identifier: Apache-2.0
//! Parsers of others, each behind one C function: bytes in, a count out that shows that they did the work.

use eventsource_stream::Eventsource;
use futures::{executor, stream, StreamExt};
use picohttpparser_sys::{phr_header, phr_parse_request};
use std::{convert::Infallible, mem::MaybeUninit, ptr, slice};

const HEADERS_MAX: usize = 128;

/// Header fields of a request's head; negative if it is malformed.
///
/// # Safety
/// `data` is `len` readable bytes.
#[no_mangle]
pub unsafe extern "C" fn peer_pico_head(data: *const u8, len: usize) -> i64 {
    let mut headers = MaybeUninit::<[phr_header; HEADERS_MAX]>::uninit();
    let (mut method, mut target) = (ptr::null(), ptr::null());
    let (mut method_len, mut target_len, mut minor, mut n) = (0, 0, 0, HEADERS_MAX);
    let r = phr_parse_request(
        data.cast(), len, &mut method, &mut method_len, &mut target, &mut target_len, &mut minor,
        headers.as_mut_ptr().cast(), &mut n, 0,
    );
    if r < 0 { r as i64 } else { n as i64 }
}

/// The same.
///
/// # Safety
/// `data` is `len` readable bytes.
#[no_mangle]
pub unsafe extern "C" fn peer_httparse_head(data: *const u8, len: usize) -> i64 {
    let mut headers = [const { MaybeUninit::<httparse::Header>::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(slice::from_raw_parts(data, len), &mut headers) {
        Ok(httparse::Status::Complete(_)) => request.headers.len() as i64,
        _ => -1,
    }
}

/// Bytes of the data of all events of a stream that comes in pieces.
///
/// # Safety
/// `data` is `len` readable bytes.
#[no_mangle]
pub unsafe extern "C" fn peer_sse(data: *const u8, len: usize, piece: usize) -> i64 {
    let pieces = slice::from_raw_parts(data, len).chunks(piece).map(Ok::<_, Infallible>);
    let mut events = stream::iter(pieces).eventsource();
    executor::block_on(async {
        let mut total = 0;
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => total += event.data.len() as i64,
                Err(_) => return -1,
            }
        }
        total
    })
}

/// 1 if the text is JSON, read into a tree of values and dropped again.
///
/// # Safety
/// `data` is `len` readable bytes.
#[no_mangle]
pub unsafe extern "C" fn peer_json(data: *const u8, len: usize) -> i64 {
    match serde_json::from_slice::<serde_json::Value>(slice::from_raw_parts(data, len)) {
        Ok(value) => value.is_object() as i64,
        Err(_) => -1,
    }
}
