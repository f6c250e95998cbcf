"""Pipelines: what is done to a field's values before they are in a batch."""

from .compiler import Compiler
from .pipeline import Pipeline
from .pipeline_spec import PipelineSpec

__all__ = ["Compiler", "Pipeline", "PipelineSpec"]
