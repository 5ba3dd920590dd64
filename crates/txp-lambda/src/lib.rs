//! The Lambda functions: thin entries over the pipeline's stages and the AWS adapters.
