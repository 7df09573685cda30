//! A connection that hears nothing before it has said something.
//!
//! Simple responders answer as soon as they are connected to, without reading the request. An HTTP client
//! that finds bytes before it has asked takes the connection for broken; behind this one, such an answer
//! waits in the kernel until the request is on its way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// What the reader's side is doing.
enum Hearing {
    /// Nothing has been written yet; whoever wanted to read is to be woken when that changes.
    Deaf(Option<Waker>),
    /// Something has been written.
    Open,
}

/// A connection whose reading side opens with the first write.
pub(super) struct AskFirst<S> {
    stream: TokioIo<S>,
    hearing: Hearing,
    /// Whether TLS that ends without a word is an end like any other.
    lenient: bool,
}

impl<S> AskFirst<S> {
    pub(super) fn new(stream: S, lenient: bool) -> AskFirst<S> {
        AskFirst { stream: TokioIo::new(stream), hearing: Hearing::Deaf(None), lenient }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream.into_inner()
    }

    fn written(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready()
            && let Hearing::Deaf(Some(reader)) = std::mem::replace(&mut self.hearing, Hearing::Open)
        {
            reader.wake();
        }
        result
    }
}

impl<S: AsyncRead + Unpin> Read for AskFirst<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.hearing {
            Hearing::Open => match Pin::new(&mut self.stream).poll_read(context, buffer) {
                Poll::Ready(Err(error)) if self.lenient && error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                other => other,
            },
            Hearing::Deaf(reader) => {
                *reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Write for AskFirst<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, data);
        self.written(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, data);
        self.written(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
