//! tonic methods: a trait as the code generator writes it, and a `Status` that is not ours.

use ::tonic::{Code, Request, Response, Status};
use redlock::{Redlock, redlock};

use tests::World;

struct Order {
    id: u64,
}

#[::tonic::async_trait]
trait Orders: Send + Sync + 'static {
    async fn submit(&self, request: Request<Order>) -> Result<Response<u64>, Status>;
}

struct Service {
    locks: Redlock,
}

#[::tonic::async_trait]
impl Orders for Service {
    #[redlock(
        key("order:{}", request.get_ref().id),
        ttl = "10s",
        lock = self.locks,
        no_wait,
        on_error = |error| Err(status(&error))
    )]
    async fn submit(&self, request: Request<Order>) -> Result<Response<u64>, Status> {
        let order = request.into_inner();
        if order.id == 0 {
            return Err(Status::invalid_argument("no id"));
        }
        Ok(Response::new(order.id))
    }
}

fn status(error: &redlock::Error) -> Status {
    let code = if error.is_busy() {
        Code::Aborted
    } else {
        Code::Unavailable
    };
    Status::new(code, error.to_string())
}

#[tokio::test]
async fn a_generated_method() {
    let world = World::new().await;
    let service = Service {
        locks: world.locks.clone(),
    };
    let submit = async |id| service.submit(Request::new(Order { id })).await;
    assert_eq!(submit(7).await.unwrap().into_inner(), 7);
    assert_eq!(submit(0).await.unwrap_err().code(), Code::InvalidArgument);

    let _held = world.busy("order:7").await;
    assert_eq!(submit(7).await.unwrap_err().code(), Code::Aborted);
    world.lose_quorum();
    assert_eq!(submit(7).await.unwrap_err().code(), Code::Unavailable);
}
