//! Around a tonic service: rejections are gRPC statuses, and the trailers decide whether a call failed.

use bytes::{Buf as _, BufMut as _};
use http::uri::PathAndQuery;
use redlock_tower::{RedlockLayer, key};
use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tests::web::{Orders, SOON, all_free, held, locks};
use tonic::{
    Code, Request, Response, Status,
    body::Body,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{self, NamedService, StreamingService, UnaryService},
    transport::{Channel, Server, server::TcpIncoming},
};
use tower::Service;

/// Messages are plain text.
#[derive(Clone, Copy, Default)]
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

    fn encode(&mut self, item: String, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buf.put_slice(item.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buf.copy_to_bytes(buf.remaining());
        Ok(Some(String::from_utf8(bytes.to_vec()).unwrap()))
    }
}

/// `shop.Shop`: `Order` visits the orders and answers with the status of the code that it is sent, before a message or
/// after it.
#[derive(Clone)]
struct OrderService(Arc<Orders>);

impl OrderService {
    async fn order(self, code: String) -> Result<String, Status> {
        self.0.run().await;
        match code.parse::<i32>().unwrap() {
            0 => Ok("ordered".to_owned()),
            code => Err(Status::new(Code::from_i32(code), "on purpose")),
        }
    }
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;
type Messages = Pin<Box<dyn futures_util::Stream<Item = Result<String, Status>> + Send>>;

impl UnaryService<String> for OrderService {
    type Response = String;
    type Future = Answer<String>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let order = self.clone().order(request.into_inner());
        Box::pin(async { order.await.map(Response::new) })
    }
}

impl StreamingService<String> for OrderService {
    type Response = String;
    type ResponseStream = Messages;
    type Future = Answer<Messages>;

    fn call(&mut self, request: Request<tonic::Streaming<String>>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let code = request.into_inner().message().await?.unwrap();
            let last = this.order(code).await;
            let messages: Messages =
                Box::pin(futures_util::stream::iter([Ok("first".to_owned()), last]));
            Ok(Response::new(messages))
        })
    }
}

impl NamedService for OrderService {
    const NAME: &'static str = "shop.Shop";
}

impl Service<http::Request<Body>> for OrderService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let mut grpc = server::Grpc::new(Text);
            Ok(match request.uri().path() {
                "/shop.Shop/Order" => grpc.unary(this, request).await,
                _ => grpc.streaming(this, request).await,
            })
        })
    }
}

async fn serve(layer: RedlockLayer<key::Header>, orders: &Arc<Orders>) -> SocketAddr {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let server = Server::builder()
        .layer(layer.grpc())
        .add_service(OrderService(Arc::clone(orders)));
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

async fn client(address: SocketAddr) -> Grpc<Channel> {
    Grpc::new(
        Channel::from_shared(format!("http://{address}"))
            .unwrap()
            .connect()
            .await
            .unwrap(),
    )
}

fn by(user: &str, code: Code) -> Request<String> {
    let mut request = Request::new((code as i32).to_string());
    request
        .metadata_mut()
        .insert("x-user-id", user.parse().unwrap());
    request
}

async fn order(client: &Grpc<Channel>, user: &str, code: Code) -> Result<String, Status> {
    let mut client = client.clone();
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/shop.Shop/Order");
    client
        .unary(by(user, code), path, Text)
        .await
        .map(Response::into_inner)
}

/// The messages of a stream, and the status in its trailers.
async fn stream_orders(
    client: &Grpc<Channel>,
    user: &str,
    code: Code,
) -> Result<(usize, Code), Status> {
    let mut client = client.clone();
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/shop.Shop/Orders");
    let request = by(user, code).map(|message| futures_util::stream::iter([message]));
    let mut messages = client.streaming(request, path, Text).await?.into_inner();
    for count in 0.. {
        match messages.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Ok((count, Code::Ok)),
            Err(status) => return Ok((count, status.code())),
        }
    }
    unreachable!()
}

#[tokio::test]
async fn a_rejected_call_has_a_status_a_reason_and_a_pushback() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .ttl(Duration::from_secs(8));
    let client = client(serve(layer.required(), &orders).await).await;

    let first = tokio::spawn({
        let client = client.clone();
        async move { order(&client, "ann", Code::Ok).await }
    });
    orders.wait_entered(1).await;
    let rejected = order(&client, "ann", Code::Ok).await.unwrap_err();
    assert_eq!(rejected.code(), Code::Aborted, "{rejected:?}");
    assert!(rejected.message().contains("(busy)"), "{rejected:?}");
    let pushback: u64 = rejected
        .metadata()
        .get("grpc-retry-pushback-ms")
        .unwrap()
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=8000).contains(&pushback), "{pushback}");
    let keyless = order(&client, "", Code::Ok).await.unwrap_err();
    assert_eq!(keyless.code(), Code::InvalidArgument);
    orders.unblock(1);
    assert_eq!(first.await.unwrap().unwrap(), "ordered");
    assert_eq!(held(&cluster), [""; 0]);

    cluster.node(0).stop();
    cluster.node(1).stop();
    assert_eq!(
        order(&client, "ann", Code::Ok).await.unwrap_err().code(),
        Code::Unavailable
    );
}

#[tokio::test]
async fn the_trailers_decide_whether_a_call_failed() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::unblocked();
    let layer = RedlockLayer::new(redlock, key::header("x-user-id"))
        .no_wait()
        .dedupe_for(Duration::from_secs(30));
    let client = client(serve(layer, &orders).await).await;

    // A failure frees the key, in a response without messages and in trailers after a message.
    for turn in 0..3 {
        let status = order(&client, "ann", Code::Internal).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal, "turn {turn}");
        assert_eq!(
            stream_orders(&client, "ann", Code::Unavailable)
                .await
                .unwrap(),
            (1, Code::Unavailable),
            "turn {turn}"
        );
        assert_eq!(held(&cluster), [""; 0], "turn {turn}");
    }
    // A success starts a cool-down.
    assert_eq!(order(&client, "ann", Code::Ok).await.unwrap(), "ordered");
    assert_eq!(
        order(&client, "ann", Code::Ok).await.unwrap_err().code(),
        Code::AlreadyExists
    );
    assert_eq!(
        stream_orders(&client, "bob", Code::Ok).await.unwrap(),
        (2, Code::Ok)
    );
    assert_eq!(
        stream_orders(&client, "bob", Code::Ok)
            .await
            .unwrap_err()
            .code(),
        Code::AlreadyExists
    );
    assert_eq!(
        stream_orders(&client, "eve", Code::InvalidArgument)
            .await
            .unwrap(),
        (1, Code::InvalidArgument)
    );
    assert_eq!(
        stream_orders(&client, "eve", Code::Ok).await.unwrap(),
        (2, Code::Ok)
    );
}

#[tokio::test]
async fn methods_of_one_service_do_not_exclude_each_other() {
    let (cluster, redlock) = locks().await;
    let orders = Orders::blocked();
    let client = client(
        serve(
            RedlockLayer::new(redlock, key::header("x-user-id")).no_wait(),
            &orders,
        )
        .await,
    )
    .await;
    let unary = tokio::spawn({
        let client = client.clone();
        async move { order(&client, "ann", Code::Ok).await }
    });
    orders.wait_entered(1).await;
    let streaming = tokio::spawn(async move { stream_orders(&client, "ann", Code::Ok).await });
    orders.wait_entered(2).await;
    orders.unblock(2);
    tests::within(SOON, unary).await.unwrap().unwrap();
    tests::within(SOON, streaming).await.unwrap().unwrap();
    all_free(&cluster).await;
}
