use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Violation;

/// What a flush ends with. A message leaves it out, and its reader puts it back (RFC 7692, section 7.2).
const FLUSH: [u8; 4] = [0, 0, 0xFF, 0xFF];
/// The same, and a last block that is empty. Only what ended where a block ends can be read to the end of this.
const FLUSH_AND_END: [u8; 9] = [0, 0, 0xFF, 0xFF, 1, 0, 0, 0xFF, 0xFF];

/// The most that a stored block holds, in bytes.
const STORED_BLOCK: usize = 0xFFFF;
/// The smallest room that a message is inflated into, in bytes.
const SMALLEST_ROOM: usize = 256;

thread_local! {
    // Each holds a few hundred kilobytes, which cost more to make than a message costs to compress.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::default(), false));
    static DECOMPRESS: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// Compresses one message for a frame with RSV1 set. It refers to nothing before it, so all sockets can be sent the same.
pub fn deflate(payload: &[u8]) -> Vec<u8> {
    COMPRESS
        .with_borrow_mut(|compress| {
            compress.reset();
            deflate_with(compress, payload)
        })
        .unwrap_or_else(|| stored(payload))
}

/// `None` where the compressor breaks its promises, which it has no reason to.
fn deflate_with(compress: &mut Compress, payload: &[u8]) -> Option<Vec<u8>> {
    // What cannot be compressed grows by a few bytes a block.
    let mut deflated = Vec::with_capacity(payload.len() + payload.len() / 512 + 64);
    let mut rest = payload;
    loop {
        let before = compress.total_in();
        compress.compress_vec(rest, &mut deflated, FlushCompress::Sync).ok()?;
        rest = rest.get(usize::try_from(compress.total_in() - before).ok()?..)?;
        // A flush is complete when it left room.
        if deflated.len() < deflated.capacity() {
            break;
        }
        deflated.reserve(deflated.len());
    }
    let complete = rest.is_empty() && deflated.ends_with(&FLUSH);
    deflated.truncate(deflated.len().saturating_sub(FLUSH.len()));
    complete.then_some(deflated)
}

/// The payload in blocks that are not compressed, and the first byte of the flush behind them.
fn stored(payload: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(payload.len() + 64);
    for block in payload.chunks(STORED_BLOCK) {
        let [length @ .., _, _, _, _, _, _] = block.len().to_le_bytes();
        deflated.push(0);
        deflated.extend(length);
        deflated.extend(length.map(|byte| !byte));
        deflated.extend_from_slice(block);
    }
    deflated.push(0);
    deflated
}

/// The message that the payload of its frames, put together, is when inflated.
///
/// It takes no more memory than `limit`, in bytes, and what the allocator adds, however much would come out.
pub fn inflate(payload: &[u8], limit: usize) -> Result<Vec<u8>, Violation> {
    DECOMPRESS.with_borrow_mut(|decompress| {
        decompress.reset(false);
        inflate_with(decompress, payload, limit)
    })
}

fn inflate_with(decompress: &mut Decompress, payload: &[u8], limit: usize) -> Result<Vec<u8>, Violation> {
    const BROKEN: Violation = Violation::Protocol("a compressed message that cannot be inflated");
    // One more byte than is allowed shows that there is more.
    let room = limit.saturating_add(1);
    let mut message = Vec::with_capacity(payload.len().saturating_mul(4).max(SMALLEST_ROOM).min(room));
    let mut rest = payload;
    let mut is_tail = false;
    loop {
        let before = decompress.total_in();
        let status = decompress.decompress_vec(rest, &mut message, FlushDecompress::Sync).map_err(|_| BROKEN)?;
        let taken = usize::try_from(decompress.total_in() - before).map_err(|_| BROKEN)?;
        rest = rest.get(taken..).ok_or(BROKEN)?;
        if message.len() > limit {
            return Err(Violation::TooBig { limit });
        }
        if status == Status::StreamEnd {
            break;
        }
        if message.len() == message.capacity() {
            message.reserve_exact(message.len().clamp(1, room - message.len()));
        } else if !rest.is_empty() {
            // Neither end is in the way, and yet it stopped.
            return Err(BROKEN);
        } else if is_tail {
            return Err(Violation::Protocol("a compressed message that ends within a block"));
        } else {
            (rest, is_tail) = (&FLUSH_AND_END, true);
        }
    }
    // Who flushes by ending the stream adds the first byte of the flush that is put back (section 7.2.3.4).
    match (is_tail, rest) {
        (_, []) | (false, [0]) => Ok(message),
        _ => Err(Violation::Protocol("a compressed message that goes on behind its end")),
    }
}
