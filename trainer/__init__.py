"""From labelled texts to a release: data, network, fine-tuning, figures, export."""
