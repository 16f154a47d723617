"""Where synced data goes: the Secret, and the workloads to restart when it changes."""

from typing import Annotated, Final

import msgspec

from vso.apis.field import Block, Field
from vso.apis.v1beta1.transformation import Transformation


class Destination(Block, frozen=True, kw_only=True):
    """The Secret to write, always in the namespace of the object that names it."""

    name: Annotated[str, Field("Name of the Secret; must not be empty.", required=True)] = ""
    create: Annotated[
        bool,
        Field(
            "True: the operator creates, owns and with the object deletes the Secret. False: the Secret must "
            "exist, and only its data is replaced.",
            default=False,
        ),
    ] = False
    overwrite: Annotated[
        bool,
        Field("With create, take over an existing Secret that the operator does not own.", default=False),
    ] = False
    labels: Annotated[
        dict[str, str],
        Field("Labels of the Secret, with create only. The operator's own labels win over equal keys."),
    ] = msgspec.field(default_factory=dict)
    annotations: Annotated[dict[str, str], Field("All annotations of the Secret, with create only.")] = msgspec.field(
        default_factory=dict
    )
    type: Annotated[str, Field("Type of the Secret, with create only; unset, it is Opaque.")] = ""
    transformation: Annotated[Transformation, Field("How the data is shaped before it is written.")] = Transformation()


WORKLOAD_KINDS: Final = ("Deployment", "DaemonSet", "StatefulSet", "argo.Rollout")


class RolloutRestartTarget(Block, frozen=True, kw_only=True):
    """A workload in the namespace of the object that names it."""

    kind: Annotated[
        str,
        Field(
            "Kind of the workload; argo.Rollout is a Rollout of Argo Rollouts.",
            required=True,
            enum=WORKLOAD_KINDS,
        ),
    ] = ""
    name: Annotated[str, Field("Name of the workload.", required=True)] = ""
