"""A storage plugin for S3 and for services that speak its protocol."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pyiceberg.io import InputFile, OutputFile

from floe_core import HealthState, HealthStatus, StoragePlugin
from floe_core.plugins import FileIO


class S3Config(BaseModel):
    """Without the two keys, boto3 looks for credentials as usual (AWS_*, a role, a profile)."""

    model_config = ConfigDict(extra="forbid")

    bucket: str = Field(min_length=3, max_length=63)
    prefix: str = ""
    region: str = "us-east-1"
    endpoint_url: str | None = None
    max_attempts: int = Field(default=3, ge=1)
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None


class S3StoragePlugin(StoragePlugin):
    """A plugin whose constructor requires its configuration."""

    name = "s3"
    version = "0.1.0"
    floe_api_version = "1.0"
    description = "A warehouse in an S3 bucket"

    def __init__(self, config: S3Config) -> None:
        self._settings = config
        self._client = boto3.client(
            "s3",
            region_name=config.region,
            endpoint_url=config.endpoint_url,
            aws_access_key_id=_plain(config.access_key_id),
            aws_secret_access_key=_plain(config.secret_access_key),
            config=Config(retries={"max_attempts": config.max_attempts}, connect_timeout=5, read_timeout=5),
        )

    def get_config_schema(self) -> type[S3Config]:
        return S3Config

    def shutdown(self) -> None:
        self._client.close()

    def health_check(self) -> HealthStatus:
        try:
            self._client.head_bucket(Bucket=self._settings.bucket)
        except (BotoCoreError, ClientError) as error:
            return HealthStatus(HealthState.UNHEALTHY, str(error))
        return HealthStatus(HealthState.HEALTHY)

    def get_pyiceberg_fileio(self) -> FileIO:
        return S3FileIO(self._client)

    def get_warehouse_uri(self, namespace: str) -> str:
        return "/".join(filter(None, [f"s3://{self._settings.bucket}", self._settings.prefix, namespace]))

    def get_dbt_profile_config(self) -> dict[str, Any]:
        return {"external_root": self.get_warehouse_uri(""), "settings": {"s3_region": self._settings.region}}

    def get_dagster_io_manager_config(self) -> dict[str, Any]:
        return {"s3_bucket": self._settings.bucket, "s3_prefix": self._settings.prefix}

    def get_helm_values_override(self) -> dict[str, Any]:
        return {"s3": {"bucket": self._settings.bucket, "region": self._settings.region}}


class S3FileIO:
    """Opens S3 objects as files for PyIceberg; always reads and writes whole objects."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def new_input(self, location: str) -> S3File:
        return S3File(location, self._client)

    def new_output(self, location: str) -> S3File:
        return S3File(location, self._client)

    def delete(self, location: str) -> None:
        self._client.delete_object(**_address(location))


class S3File(InputFile, OutputFile):
    """An S3 object as a file."""

    def __init__(self, location: str, client: Any) -> None:
        super().__init__(location)
        self._client = client

    def __len__(self) -> int:
        return int(self._client.head_object(**_address(self.location))["ContentLength"])

    def exists(self) -> bool:
        try:
            self._client.head_object(**_address(self.location))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise
        return True

    def open(self, seekable: bool = True) -> BytesIO:
        return BytesIO(self._client.get_object(**_address(self.location))["Body"].read())

    def create(self, overwrite: bool = False) -> BytesIO:
        if not overwrite and self.exists():
            raise FileExistsError(self.location)
        return _Upload(self._client, self.location)

    def to_input_file(self) -> S3File:
        return self


class _Upload(BytesIO):
    """A buffer that is uploaded as an S3 object when it is closed."""

    def __init__(self, client: Any, location: str) -> None:
        super().__init__()
        self._client = client
        self._location = location

    def close(self) -> None:
        if not self.closed:
            self._client.put_object(**_address(self._location), Body=self.getvalue())
        super().close()


def _address(location: str) -> dict[str, str]:
    parts = urlsplit(location)
    return {"Bucket": parts.netloc, "Key": parts.path.lstrip("/")}


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None
