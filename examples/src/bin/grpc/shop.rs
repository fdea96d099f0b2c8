//! The service and its client: what tonic generates from a `.proto` file. Here they are written by hand, with plain text as messages,
//! so that no compiler of such files is needed.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::http::{self, uri::PathAndQuery};
use bytes::{Buf, BufMut};
use tonic::{
    Request, Response, Status,
    body::Body,
    client,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{self, NamedService, UnaryService},
    transport::{Channel, Endpoint, Error},
};
use tower::Service;

const ORDER: &str = "/shop.Shop/Order";

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[derive(Clone, Debug)]
pub(crate) struct ShopServer;

/// The method `Order`, which takes two seconds.
impl UnaryService<String> for ShopServer {
    type Response = String;
    type Future = Boxed<Result<Response<String>, Status>>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(Response::new(format!("{} is ordered", request.get_ref())))
        })
    }
}

impl NamedService for ShopServer {
    const NAME: &'static str = "shop.Shop";
}

impl Service<http::Request<Body>> for ShopServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Boxed<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            if request.uri().path() != ORDER {
                return Ok(Status::unimplemented("the service has no such method").into_http());
            }
            Ok(server::Grpc::new(Text).unary(ShopServer, request).await)
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ShopClient(client::Grpc<Channel>);

impl ShopClient {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, Error> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        Ok(ShopClient(client::Grpc::new(endpoint.connect().await?)))
    }

    pub(crate) async fn order(&self, user: &'static str, item: &str) -> Result<String, Status> {
        let mut client = self.0.clone();
        let ready = client.ready().await;
        ready.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(item.to_owned());
        let user = tonic::metadata::MetadataValue::from_static(user);
        request.metadata_mut().insert("x-user-id", user);
        let path = PathAndQuery::from_static(ORDER);
        let response = client.unary(request, path, Text).await?;
        Ok(response.into_inner())
    }
}

/// Messages are plain text.
#[derive(Clone, Copy, Debug, Default)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, item: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(item.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let text = String::from_utf8(bytes.to_vec());
        text.map(Some)
            .map_err(|_| Status::invalid_argument("the message is not UTF-8"))
    }
}
